package core

// vat is the standard rate of value-added or goods-and-services tax by country,
// in percent, as of 2026. It comes on top of prices. A country that is not here
// has none: the shop has no duty to collect there. Rates below the national
// level (states, provinces) are not collected.
var vat = map[string]string{
	"AT": "20", "AU": "10", "BE": "21", "BG": "20", "CA": "5", "CH": "8.1", "CY": "19", "CZ": "21", "DE": "19", "DK": "25",
	"EE": "24", "ES": "21", "FI": "25.5", "FR": "20", "GB": "20", "GR": "24", "HR": "25", "HU": "27", "IE": "23", "IS": "24",
	"IT": "22", "JP": "10", "KR": "10", "LI": "8.1", "LT": "21", "LU": "17", "LV": "21", "MT": "18", "MX": "16", "NL": "21",
	"NO": "25", "NZ": "15", "PL": "23", "PT": "23", "RO": "21", "SE": "25", "SG": "9", "SI": "22", "SK": "23", "ZA": "15",
}

// taxRate gives a country's rate in percent.
func taxRate(country string) string {
	if rate, ok := vat[country]; ok {
		return rate
	}
	return "0"
}
