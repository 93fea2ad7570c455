package shopcsv

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Columns that are read. Others may be there and are left alone.
const (
	colHandle    = "Handle"
	colTitle     = "Title"
	colBody      = "Body (HTML)"
	colVendor    = "Vendor"
	colType      = "Type"
	colTags      = "Tags"
	colPublished = "Published"
	colStatus    = "Status"
	colSKU       = "Variant SKU"
	colGrams     = "Variant Grams"
	colQuantity  = "Variant Inventory Qty"
	colPrice     = "Variant Price"
	colCompareAt = "Variant Compare At Price"
	colBarcode   = "Variant Barcode"
	colImage     = "Image Src"
	colPosition  = "Image Position"
	colAlt       = "Image Alt Text"
)

const options = 3

var (
	colOptionName  = [options]string{"Option1 Name", "Option2 Name", "Option3 Name"}
	colOptionValue = [options]string{"Option1 Value", "Option2 Value", "Option3 Value"}
)

var columns = []string{
	colHandle, colTitle, colBody, colVendor, colType, colTags, colPublished, colStatus, colSKU, colGrams,
	colQuantity, colPrice, colCompareAt, colBarcode, colImage, colPosition, colAlt,
	colOptionName[0], colOptionName[1], colOptionName[2], colOptionValue[0], colOptionValue[1], colOptionValue[2],
}

// required columns: without them no row means anything.
var required = []string{colHandle, colTitle, colOptionValue[0], colPrice}

// header finds columns by name.
type header struct {
	at    map[string]int
	count int
}

func readHeader(in *records) (header, error) {
	first, err := in.next()
	var bad *badRecord
	switch {
	case errors.Is(err, io.EOF):
		return header{}, errors.New("the file is empty: its first line must name the columns")
	case errors.As(err, &bad):
		return header{}, fmt.Errorf("the first line must name the columns: %w", err)
	case err != nil:
		return header{}, err
	}
	at := make(map[string]int, len(first.fields))
	for i, name := range first.fields {
		if !utf8.ValidString(name) {
			return header{}, errors.New("the file is not UTF-8: save it as \"CSV UTF-8\"")
		}
		name = canonical(name)
		if _, twice := at[name]; twice && name != "" {
			return header{}, fmt.Errorf("the column %q is there twice", first.fields[i])
		}
		at[name] = i
	}
	h := header{at: make(map[string]int, len(columns)), count: len(first.fields)}
	for _, name := range columns {
		if i, ok := at[canonical(name)]; ok {
			h.at[name] = i
		}
	}
	var missing []string
	for _, name := range required {
		if _, ok := h.at[name]; !ok {
			missing = append(missing, fmt.Sprintf("%q", name))
		}
	}
	if len(missing) > 0 {
		hint := ""
		if len(first.fields) == 1 && strings.ContainsAny(first.fields[0], ";\t") {
			hint = "; columns must be separated by commas"
		}
		return header{}, fmt.Errorf("the first line names no column %s: is this a product export of Shopify?%s", strings.Join(missing, ", "), hint)
	}
	return h, nil
}

func canonical(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// row is a record whose fields are found by name.
type row struct {
	record
	header *header
}

// get gives a field without the space around it, empty where there is no such column.
func (r row) get(column string) string {
	if i, ok := r.header.at[column]; ok && i < len(r.fields) {
		return strings.TrimSpace(r.fields[i])
	}
	return ""
}
