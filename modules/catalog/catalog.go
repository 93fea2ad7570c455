// Package catalog is the contract of the catalog context: products with their
// variants, images and tags. Nothing else of the module may be imported.
package catalog

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
)

// Codes of this context.
var (
	ProductNotFound = fault.Define("product.not_found", fault.KindNotFound)
	HandleTaken     = fault.Define("product.handle_taken", fault.KindConflict)
	SKUTaken        = fault.Define("product.sku_taken", fault.KindConflict)
	InvalidProduct  = fault.Define("product.invalid", fault.KindInvalid)
	InvalidStatus   = fault.Define("product.invalid_status", fault.KindConflict)
	VersionMismatch = fault.Define("product.version_mismatch", fault.KindPrecondition)
)

// Statuses of a product.
const (
	Draft     = "draft"
	Published = "published"
	Archived  = "archived"
)

// Service is what other contexts and the HTTP edge may ask of the catalog.
// Changes are for staff.
type Service interface {
	// Create makes a draft. Codes: HandleTaken, SKUTaken, InvalidProduct, fault.Forbidden.
	Create(ctx context.Context, req CreateRequest) (Product, error)
	// Update replaces a product; with Version > 0 only if it still is that version.
	// Codes: ProductNotFound, VersionMismatch, SKUTaken, InvalidProduct.
	Update(ctx context.Context, req UpdateRequest) (Product, error)
	// Publish makes a product visible to customers. Repeating it changes nothing.
	// Codes: ProductNotFound, VersionMismatch, InvalidStatus.
	Publish(ctx context.Context, req TransitionRequest) (Product, error)
	// Archive hides a product for good. Repeating it changes nothing.
	// Codes: ProductNotFound, VersionMismatch.
	Archive(ctx context.Context, req TransitionRequest) (Product, error)
	// Import creates or updates many products by handle and gives each the wanted
	// status; one bad product spoils no other. Repeating it changes nothing.
	// At most 500 products a call.
	Import(ctx context.Context, req ImportRequest) (ImportReply, error)
	// Get gives a product by handle; only published ones unless staff asks.
	// May be repeated. Codes: ProductNotFound.
	Get(ctx context.Context, req GetRequest) (Product, error)
	// List gives products, newest first; only published ones unless staff asks
	// for another status. May be repeated.
	List(ctx context.Context, req ListRequest) (ProductList, error)
	// Variants gives the published variants among these SKUs; unknown ones are
	// left out. At most 500 SKUs a call. May be repeated.
	Variants(ctx context.Context, req VariantsRequest) (VariantsReply, error)
}

// Product is something the shop shows, sold as one or more variants.
type Product struct {
	ID              string    `json:"id"`
	Handle          string    `json:"handle"` // unique, lower case, in URLs
	Title           string    `json:"title"`
	DescriptionHTML string    `json:"description_html"` // sanitised
	Vendor          string    `json:"vendor"`
	Category        string    `json:"category"`
	Tags            []string  `json:"tags"`
	Images          []Image   `json:"images"`
	Variants        []Variant `json:"variants"`
	Status          string    `json:"status" enum:"draft,published,archived"`
	Version         int64     `json:"version"` // counts changes, from 1
	CreatedAt       time.Time `json:"created_at"`
	UpdatedAt       time.Time `json:"updated_at"`
}

// Image of a product.
type Image struct {
	Src string `json:"src"` // http or https
	Alt string `json:"alt"`
}

// Variant is what is sold.
type Variant struct {
	SKU         string   `json:"sku"` // unique in the shop
	Title       string   `json:"title"`
	Options     []Option `json:"options"` // at most 3
	WeightGrams int64    `json:"weight_grams"`
	Barcode     string   `json:"barcode"`
}

// Option is one choice, such as Size: Large.
type Option struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// ProductInput is a product as staff or an import gives it.
type ProductInput struct {
	Handle          string    `json:"handle"`
	Title           string    `json:"title"`
	DescriptionHTML string    `json:"description_html"`
	Vendor          string    `json:"vendor"`
	Category        string    `json:"category"`
	Tags            []string  `json:"tags"`
	Images          []Image   `json:"images"`
	Variants        []Variant `json:"variants"` // at least 1, at most 100
}

// CreateRequest asks for a new draft.
type CreateRequest struct {
	Product ProductInput `json:"product"`
}

// UpdateRequest replaces the product with this handle.
type UpdateRequest struct {
	Handle  string       `json:"handle"`
	Product ProductInput `json:"product"`
	Version int64        `json:"version"` // 0: whatever it is now
}

// TransitionRequest publishes or archives.
type TransitionRequest struct {
	Handle  string `json:"handle"`
	Version int64  `json:"version"` // 0: whatever it is now
}

// ImportRequest brings products in.
type ImportRequest struct {
	Products []ImportProduct `json:"products"`
}

// ImportProduct is a product with the status it shall have.
type ImportProduct struct {
	Product ProductInput `json:"product"`
	Status  string       `json:"status"`
}

// ImportReply answers for each product, in the order asked.
type ImportReply struct {
	Results []ImportResult `json:"results"`
}

// Outcomes of an import.
const (
	Created   = "created"
	Changed   = "changed"
	Unchanged = "unchanged"
	Refused   = "refused"
)

// ImportResult is what became of one product.
type ImportResult struct {
	Handle  string `json:"handle"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"` // why it was refused
}

// GetRequest names a product.
type GetRequest struct {
	Handle string `json:"handle"`
}

// ListRequest filters products; empty fields do not filter.
type ListRequest struct {
	Category string `json:"category,omitempty"`
	Vendor   string `json:"vendor,omitempty"`
	Tag      string `json:"tag,omitempty"`
	Status   string `json:"status,omitempty"` // other than published: staff only
	Limit    int    `json:"limit"`            // 1..100
	After    string `json:"after,omitempty"`  // Next of the page before
}

// ProductList is one page.
type ProductList struct {
	Items []Product `json:"items"`
	Next  string    `json:"next,omitempty"` // empty: no more
}

// VariantsRequest asks for variants by SKU.
type VariantsRequest struct {
	SKUs []string `json:"skus"`
}

// VariantsReply holds the published ones, in the order asked.
type VariantsReply struct {
	Items []SoldVariant `json:"items"`
}

// SoldVariant is a variant with what a cart or an order shows of its product.
type SoldVariant struct {
	SKU          string `json:"sku"`
	Handle       string `json:"handle"`
	ProductTitle string `json:"product_title"`
	VariantTitle string `json:"variant_title"`
	WeightGrams  int64  `json:"weight_grams"`
}
