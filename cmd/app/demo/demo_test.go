package demo_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/demo"
	"github.com/banyan-tree/banyan/internal/shopcsv"
)

func TestCatalogueReads(t *testing.T) {
	t.Parallel()
	r, err := shopcsv.NewReader(bytes.NewReader(demo.Catalogue()), 2)
	require.NoError(t, err)
	products, variants := 0, 0
	barcodes := map[string]bool{}
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		products++
		variants += len(p.Variants)
		require.Equal(t, shopcsv.Active, p.Status, p.Handle)
		require.NotEmpty(t, p.BodyHTML, p.Handle)
		require.NotEmpty(t, p.Tags, p.Handle)
		require.Equal(t, []shopcsv.Image{{Src: "https://demo.banyan.example/img/" + p.Handle + ".svg", Alt: p.Title}}, p.Images)
		for _, v := range p.Variants {
			require.Positive(t, v.Price, v.SKU)
			require.Positive(t, v.Grams, v.SKU)
			require.Len(t, v.Barcode, 13, v.SKU)
			require.False(t, barcodes[v.Barcode], v.SKU)
			barcodes[v.Barcode] = true
			if v.CompareAt != nil {
				require.Greater(t, *v.CompareAt, v.Price, v.SKU)
			}
		}
	}
	require.GreaterOrEqual(t, products, 60)
	require.GreaterOrEqual(t, variants, 120)
}

// The catalogue keeps its minor units in a currency that has no decimals.
func TestWholePrices(t *testing.T) {
	t.Parallel()
	whole, err := demo.WholePrices()
	require.NoError(t, err)
	want, err := shopcsv.NewReader(bytes.NewReader(demo.Catalogue()), 2)
	require.NoError(t, err)
	got, err := shopcsv.NewReader(bytes.NewReader(whole), 0)
	require.NoError(t, err)
	for {
		p, err := want.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		q, err := got.Next()
		require.NoError(t, err)
		require.Equal(t, p.Variants, q.Variants, p.Handle)
	}
	_, err = got.Next()
	require.ErrorIs(t, err, io.EOF)
}
