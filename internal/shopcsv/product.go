// Package shopcsv reads the product CSV that Shopify exports, row by row in
// bounded memory, and gives one product after the other with the line it began on.
//
// What belongs here: the file's form and what its columns mean. What does not:
// the shop's rules about products, and where they go.
//
// The rules of the file:
//   - The first line names the columns, in any order; Handle, Title, Option1 Value
//     and Variant Price must be among them.
//   - Rows of one Handle make one product and stand together. A handle that comes
//     again further down is refused there: by then the first rows are gone.
//   - A row without Title continues the product above. A row with Option1 Value
//     and Variant Price is a variant; a row may also, or only, bring an image.
//   - An empty quantity, or none of that column, is no quantity, and not 0.
//   - What is wrong with one row refuses its product whole, and no other.
package shopcsv

import "fmt"

// Status a product shall have in the shop.
type Status string

// The statuses of the export's Status column.
const (
	Active   Status = "active"
	Draft    Status = "draft"
	Archived Status = "archived"
)

// Product is the rows of one handle.
type Product struct {
	Line     int    // where its first row begins, from 1, the header being line 1
	Handle   string // lower case
	Title    string
	BodyHTML string // as it is in the file
	Vendor   string
	Type     string
	Tags     []string
	Status   Status
	Images   []Image // by their position
	Variants []Variant
}

// Image of a product.
type Image struct{ Src, Alt string }

// Variant is one row with a price.
type Variant struct {
	Line      int
	SKU       string // from the file, else derived
	Title     string // option values: "Red / Large"
	Options   []Option
	Grams     int64
	Barcode   string
	Quantity  *int64 // on hand, not below 0; nil: the file does not say
	Price     int64  // minor units
	CompareAt *int64 // minor units; nil: none
}

// Option is one choice, such as Size: Large.
type Option struct{ Name, Value string }

// Refusal says why a product of the file cannot be read. It is an error of Next
// after which there may be more products.
type Refusal struct {
	Handle string // may be empty, where the row does not tell
	Line   int    // the row that is wrong
	Reason string
}

func (r *Refusal) Error() string {
	if r.Handle == "" {
		return fmt.Sprintf("line %d: %s", r.Line, r.Reason)
	}
	return fmt.Sprintf("line %d: %s: %s", r.Line, r.Handle, r.Reason)
}
