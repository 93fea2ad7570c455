// Package demo holds the catalogue of a small made-up shop, in the form that
// Shopify exports, so that a fresh Banyan has something to sell.
package demo

import (
	_ "embed"
	"slices"
)

//go:embed catalogue.csv
var catalogue []byte

// Catalogue gives the file; it is the caller's to change. Prices are in USD.
func Catalogue() []byte { return slices.Clone(catalogue) }
