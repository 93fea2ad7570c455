// Package demo holds the catalogue of a small made-up shop, in the form that
// Shopify exports, so that a fresh Banyan has something to sell.
package demo

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
)

//go:embed catalogue.csv
var catalogue []byte

// Catalogue gives the file; it is the caller's to change. Its prices have two decimals.
func Catalogue() []byte { return slices.Clone(catalogue) }

// WholePrices is Catalogue for a currency without decimals: 24.00 becomes 2400,
// which is a plausible price in such a currency.
func WholePrices() ([]byte, error) {
	rows, err := csv.NewReader(bytes.NewReader(catalogue)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read the demo catalogue: %w", err)
	}
	for column, name := range rows[0] {
		if !strings.HasSuffix(name, "Price") {
			continue
		}
		for _, row := range rows[1:] {
			if whole, cents, found := strings.Cut(row[column], "."); found {
				row[column] = whole + cents
			}
		}
	}
	var out bytes.Buffer
	if err := csv.NewWriter(&out).WriteAll(rows); err != nil {
		return nil, fmt.Errorf("write the demo catalogue: %w", err)
	}
	return out.Bytes(), nil
}
