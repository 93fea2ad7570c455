// Package cataloghttp is the catalog's HTTP API. It is written against contracts
// only, so it stays where it is when a module moves: what a variant costs and
// whether it can be had is asked of pricing and inventory.
package cataloghttp

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/catalog"
)

// product is what the API answers.
type product struct {
	ID              string          `json:"id"`
	Handle          string          `json:"handle"`
	Title           string          `json:"title"`
	DescriptionHTML string          `json:"description_html" doc:"Sanitised."`
	Vendor          string          `json:"vendor"`
	Category        string          `json:"category"`
	Tags            []string        `json:"tags"`
	Images          []catalog.Image `json:"images"`
	Variants        []variant       `json:"variants"`
	Status          string          `json:"status" enum:"draft,published,archived"`
	Version         int64           `json:"version" doc:"The number in the ETag."`
	CreatedAt       time.Time       `json:"created_at"`
	UpdatedAt       time.Time       `json:"updated_at"`
}

// variant is a contract's variant with what other contexts know of its SKU.
type variant struct {
	SKU         string           `json:"sku"`
	Title       string           `json:"title"`
	Options     []catalog.Option `json:"options"`
	WeightGrams int64            `json:"weight_grams"`
	Barcode     string           `json:"barcode"`
	Price       *money.Money     `json:"price" doc:"null: it has no price, or pricing cannot be asked just now."`
	CompareAt   *money.Money     `json:"compare_at_price" doc:"What it used to cost; null: nothing is known of it."`
	Available   *int64           `json:"available" doc:"Pieces that can be bought; null: inventory cannot be asked just now."`
}

// present joins products with the prices and the stock of their variants.
func (d Deps) present(ctx context.Context, products ...catalog.Product) []product {
	var skus []string
	for _, p := range products {
		for _, v := range p.Variants {
			skus = append(skus, v.SKU)
		}
	}
	offers := d.offers(ctx, skus)
	out := make([]product, len(products))
	for i, p := range products {
		out[i] = product{
			ID: p.ID, Handle: p.Handle, Title: p.Title, DescriptionHTML: p.DescriptionHTML, Vendor: p.Vendor,
			Category: p.Category, Tags: p.Tags, Images: p.Images, Variants: make([]variant, len(p.Variants)),
			Status: p.Status, Version: p.Version, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
		}
		for j, v := range p.Variants {
			out[i].Variants[j] = variant{
				SKU: v.SKU, Title: v.Title, Options: v.Options, WeightGrams: v.WeightGrams, Barcode: v.Barcode,
				Price: offers.price[v.SKU].price, CompareAt: offers.price[v.SKU].compareAt,
				Available: offers.available(v.SKU),
			}
		}
	}
	return out
}

// input is a product as staff writes it.
type input struct {
	Handle          string         `json:"handle" minLength:"1" maxLength:"255" doc:"Lower case; letters, digits, - and _. It never changes."`
	Title           string         `json:"title" minLength:"1" maxLength:"255"`
	DescriptionHTML string         `json:"description_html,omitempty" maxLength:"524288" doc:"Scripts, styles and forms in it are dropped."`
	Vendor          string         `json:"vendor,omitempty" maxLength:"255"`
	Category        string         `json:"category,omitempty" maxLength:"255"`
	Tags            []string       `json:"tags,omitempty" maxItems:"250"`
	Images          []imageInput   `json:"images,omitempty" maxItems:"250"`
	Variants        []variantInput `json:"variants" minItems:"1" maxItems:"100"`
}

type imageInput struct {
	Src string `json:"src" minLength:"1" maxLength:"2048" doc:"An http or https address."`
	Alt string `json:"alt,omitempty" maxLength:"510"`
}

type variantInput struct {
	SKU         string           `json:"sku" minLength:"1" maxLength:"200" doc:"Unique in the shop."`
	Title       string           `json:"title,omitempty" maxLength:"1020" doc:"Made of the options when left out."`
	Options     []catalog.Option `json:"options,omitempty" maxItems:"3"`
	WeightGrams int64            `json:"weight_grams,omitempty" minimum:"0" maximum:"1000000000"`
	Barcode     string           `json:"barcode,omitempty" maxLength:"255"`
}

func (in input) contract() catalog.ProductInput {
	out := catalog.ProductInput{
		Handle: in.Handle, Title: in.Title, DescriptionHTML: in.DescriptionHTML,
		Vendor: in.Vendor, Category: in.Category, Tags: in.Tags,
	}
	for _, i := range in.Images {
		out.Images = append(out.Images, catalog.Image(i))
	}
	for _, v := range in.Variants {
		out.Variants = append(out.Variants, catalog.Variant{
			SKU: v.SKU, Title: v.Title, Options: v.Options, WeightGrams: v.WeightGrams, Barcode: v.Barcode,
		})
	}
	return out
}
