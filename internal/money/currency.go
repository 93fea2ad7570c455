package money

import "strings"

// codes are the currencies of ISO 4217 list one in which things are sold (no
// precious metals, funds or test codes), with their count of minor digits.
const codes = `
0 BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF
2 AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP
2 BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD
2 FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS
2 KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR
2 MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD
2 RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT
2 TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
3 BHD IQD JOD KWD LYD OMR TND`

// minorDigits never changes after it was made.
var minorDigits = func() map[string]int {
	table := map[string]int{}
	for line := range strings.Lines(strings.TrimSpace(codes)) {
		fields := strings.Fields(line)
		for _, code := range fields[1:] {
			table[code] = int(fields[0][0] - '0')
		}
	}
	return table
}()

// ValidCurrency tells whether code is one of ISO 4217, in upper case.
func ValidCurrency(code string) bool {
	_, ok := minorDigits[code]
	return ok
}

// MinorDigits is how many decimals the currency has: 2 for USD, 0 for JPY, 3 for
// KWD, and 2 for a code that is not known.
func MinorDigits(code string) int {
	if n, ok := minorDigits[code]; ok {
		return n
	}
	return 2
}
