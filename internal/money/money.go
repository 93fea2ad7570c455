// Package money holds amounts as whole minor units (cents). No float comes near.
package money

// Money is an amount of one currency. The zero value is "nothing of no
// currency" and may be added to anything.
type Money struct {
	Amount   int64  `json:"amount"`   // minor units: 1999 is 19.99 in USD
	Currency string `json:"currency"` // ISO 4217, upper case
}

// Of makes an amount in minor units.
func Of(amount int64, currency string) Money { return Money{Amount: amount, Currency: currency} }
