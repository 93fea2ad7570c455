package core

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/modules/catalog"
)

// Indexed is a product with the SKUs by which it is found.
type Indexed struct {
	Product catalog.Product
	SKUs    []string // sorted
}

// Index is what the audit looks at. Each page is read while others write, so
// what differs is looked at again.
type Index interface {
	Indexed(ctx context.Context, after string, limit int) ([]Indexed, error)
}

// Checks are the rules that must hold over all products.
func Checks(index Index) []audit.Check {
	return []audit.Check{{
		Rule: "catalog.skus_match_products",
		Says: "each product is found by exactly the SKUs of its variants",
		Run: func(ctx context.Context, report func(subject, detail string)) (int, error) {
			return checkSKUs(ctx, index, report)
		},
	}}
}

func checkSKUs(ctx context.Context, index Index, report func(subject, detail string)) (examined int, err error) {
	const page, looks = 500, 3
	after := ""
	for {
		products, err := index.Indexed(ctx, after, page)
		if err != nil {
			return examined, fmt.Errorf("audit SKUs: %w", err)
		}
		if len(products) == 0 {
			return examined, nil
		}
		for look := 1; look < looks && slices.ContainsFunc(products, differs); look++ {
			if products, err = index.Indexed(ctx, after, page); err != nil || len(products) == 0 {
				return examined, err
			}
		}
		for _, p := range products {
			if differs(p) {
				report("product "+p.Product.Handle, fmt.Sprintf("its variants are %s, it is found by %s",
					strings.Join(sortedSKUs(p), ", "), strings.Join(p.SKUs, ", ")))
			}
		}
		examined += len(products)
		after = products[len(products)-1].Product.ID
	}
}

func differs(p Indexed) bool { return !slices.Equal(sortedSKUs(p), p.SKUs) }

func sortedSKUs(p Indexed) []string {
	skus := skusOf(content(p.Product))
	slices.Sort(skus)
	return skus
}
