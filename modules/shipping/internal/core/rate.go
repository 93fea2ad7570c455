package core

import (
	"cmp"
	"slices"
	"strings"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/shipping"
)

// zone is a part of the world with one tariff. Prices are in minor units: a
// base up to the first kilogram, and a step for each further one begun.
type zone struct {
	countries          []string
	standard, perKilo  int64
	express, expressKg int64
	days, expressDays  [2]int
}

var tariff = []zone{
	{countries: []string{"US"}, standard: 500, perKilo: 100, express: 1500, expressKg: 250, days: [2]int{3, 5}, expressDays: [2]int{1, 2}},
	{countries: []string{"CA", "MX"}, standard: 900, perKilo: 200, express: 2500, expressKg: 450, days: [2]int{5, 8}, expressDays: [2]int{2, 3}},
	{
		countries: []string{
			"AT", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GR", "HR", "HU", "IE", "IS",
			"IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
		},
		standard: 1200, perKilo: 300, express: 3500, expressKg: 700, days: [2]int{6, 10}, expressDays: [2]int{3, 4},
	},
	{
		countries: []string{"AR", "AU", "BR", "CL", "CO", "IL", "IN", "JP", "KR", "MY", "NZ", "SG", "TH", "TW", "ZA"},
		standard:  1800, perKilo: 500, express: 5000, expressKg: 1000, days: [2]int{8, 15}, expressDays: [2]int{4, 6},
	},
}

// maxWeight is the heaviest parcel that a carrier takes, in grams.
const maxWeight = 1_000_000

// Rates knows what sending costs. Where no zone has the country, the shop does not send.
type Rates struct{ Currency string }

// For gives the ways to send this weight to a country, cheapest first.
func (r Rates) For(country string, weightGrams int64) []shipping.Rate {
	rates := []shipping.Rate{}
	if weightGrams > maxWeight {
		return rates
	}
	for _, z := range tariff {
		if !slices.Contains(z.countries, strings.ToUpper(country)) {
			continue
		}
		further := max(0, (weightGrams-1)/1000) // kilograms begun after the first
		rates = append(rates,
			shipping.Rate{
				Method: shipping.Standard, Carrier: "Banyan Post", Price: money.Of(z.standard+further*z.perKilo, r.Currency),
				MinDays: z.days[0], MaxDays: z.days[1],
			},
			shipping.Rate{
				Method: shipping.Express, Carrier: "Banyan Air", Price: money.Of(z.express+further*z.expressKg, r.Currency),
				MinDays: z.expressDays[0], MaxDays: z.expressDays[1],
			})
	}
	slices.SortStableFunc(rates, func(a, b shipping.Rate) int { return cmp.Compare(a.Price.Amount, b.Price.Amount) })
	return rates
}
