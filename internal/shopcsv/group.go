package shopcsv

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxRows bounds the rows of one product: 2,048 variants is what Shopify allows.
const maxRows = 2048

// group collects the rows of one handle.
type group struct {
	product  Product
	digits   int // of the currency, after the point
	names    [options]string
	images   []placed
	rows     int
	text     bool           // it is perhaps no product, but text of another
	refusal  *Refusal       // the first thing wrong; nil: none yet
	variants map[string]int // line by SKU
}

// placed is an image with its wanted position.
type placed struct {
	Image
	position int
}

// refuse keeps the first thing that is wrong, and lets go of the rows.
func (g *group) refuse(line int, format string, args ...any) {
	if g.refusal == nil {
		g.refusal = &Refusal{Handle: g.product.Handle, Line: line, Reason: fmt.Sprintf(format, args...)}
		g.product.Variants, g.images = nil, nil
	}
}

// begin starts a group with its first row.
func begin(handle string, r row, digits int) *group {
	g := &group{product: Product{Line: r.line, Handle: handle}, digits: digits, variants: map[string]int{}}
	p := &g.product
	p.Title, p.BodyHTML, p.Vendor, p.Type = r.get(colTitle), r.get(colBody), r.get(colVendor), r.get(colType)
	if p.Title == "" {
		g.refuse(r.line, "the first row of a product must have a Title")
	}
	for tag := range strings.SplitSeq(r.get(colTags), ",") {
		if tag = strings.TrimSpace(tag); tag != "" && !slices.Contains(p.Tags, tag) {
			p.Tags = append(p.Tags, tag)
		}
	}
	for i := range g.names {
		g.names[i] = r.get(colOptionName[i])
	}
	status, err := status(r)
	if err != nil {
		g.refuse(r.line, "%s", err)
	}
	p.Status = status
	g.add(r)
	return g
}

// status reads Status, and Published where the former leaves it open.
func status(r row) (Status, error) {
	published := strings.ToLower(r.get(colPublished))
	if published != "" && published != "true" && published != "false" {
		return "", fmt.Errorf("the column Published is %q: it may be true or false", r.get(colPublished))
	}
	switch s := Status(strings.ToLower(r.get(colStatus))); s {
	case Draft, Archived:
		return s, nil
	case Active, "":
		if published == "false" {
			return Draft, nil
		}
		return Active, nil
	}
	return "", fmt.Errorf("the column Status is %q: it may be active, draft or archived", r.get(colStatus))
}

// add takes one more row of the product.
func (g *group) add(r row) {
	g.rows++
	if g.refusal != nil {
		return
	}
	if g.rows > maxRows {
		g.refuse(r.line, "has more than %d rows", maxRows)
		return
	}
	for i, field := range r.fields {
		if !utf8.ValidString(field) {
			g.refuse(r.line, "column %d is not UTF-8: save the file as \"CSV UTF-8\"", i+1)
			return
		}
		if strings.Contains(field, "\x00") { // PostgreSQL would refuse every statement that has it
			g.refuse(r.line, "column %d has a NUL, which is no text: take it out", i+1)
			return
		}
	}
	if title := r.get(colTitle); title != "" && title != g.product.Title {
		g.refuse(r.line, "another Title for the same Handle: %q", title)
		return
	}
	g.addImage(r)
	g.addVariant(r)
}

func (g *group) addImage(r row) {
	src := r.get(colImage)
	if src == "" {
		return
	}
	position, err := strconv.Atoi(r.get(colPosition))
	if err != nil {
		position = math.MaxInt // last, in the order of the file
	}
	g.images = append(g.images, placed{Image{Src: src, Alt: r.get(colAlt)}, position})
}

func (g *group) addVariant(r row) {
	value, amount := r.get(colOptionValue[0]), r.get(colPrice)
	switch {
	case value == "" && amount == "":
		return
	case value == "":
		g.refuse(r.line, "a Variant Price without an Option1 Value")
		return
	case amount == "":
		g.refuse(r.line, "the variant %q has no Variant Price", value)
		return
	}
	v := Variant{Line: r.line, SKU: plainText(r.get(colSKU)), Barcode: plainText(r.get(colBarcode))}
	var err error
	if v.Price, err = price(amount, g.digits); err != nil {
		g.refuse(r.line, "Variant Price %s", err)
		return
	}
	if was := r.get(colCompareAt); was != "" {
		minor, err := price(was, g.digits)
		if err != nil {
			g.refuse(r.line, "Variant Compare At Price %s", err)
			return
		}
		if minor > 0 { // 0 is how some exports write none
			v.CompareAt = &minor
		}
	}
	if v.Grams, err = count(r.get(colGrams)); err != nil {
		g.refuse(r.line, "Variant Grams %s", err)
		return
	}
	if quantity := r.get(colQuantity); quantity != "" {
		n, err := count(quantity)
		if err != nil {
			g.refuse(r.line, "Variant Inventory Qty %s", err)
			return
		}
		v.Quantity = &n
	}
	g.choose(&v, r)
	g.product.Variants = append(g.product.Variants, v)
}

// choose reads the variant's options. Names are only in the first row.
func (g *group) choose(v *Variant, r row) {
	var values []string
	for i := range g.names {
		value := r.get(colOptionValue[i])
		if value == "" {
			continue
		}
		name := cmp.Or(g.names[i], fmt.Sprintf("Option %d", i+1))
		v.Options = append(v.Options, Option{Name: name, Value: value})
		values = append(values, value)
	}
	v.Title = strings.Join(values, " / ")
}

// finish gives the product once all its rows are there.
func (g *group) finish() (Product, error) {
	p := &g.product
	if g.refusal == nil && len(p.Variants) == 0 {
		g.refuse(p.Line, "has no variant: a row with Option1 Value and Variant Price is one")
	}
	for i := range p.Variants {
		v := &p.Variants[i]
		if v.SKU == "" {
			v.SKU = deriveSKU(p.Handle, v.Options, len(p.Variants) == 1)
		}
		if line, twice := g.variants[v.SKU]; twice {
			g.refuse(v.Line, "the SKU %s is in line %d already", v.SKU, line)
			break
		}
		g.variants[v.SKU] = v.Line
	}
	if g.refusal != nil {
		return Product{}, g.refusal
	}
	slices.SortStableFunc(g.images, func(a, b placed) int { return cmp.Compare(a.position, b.position) })
	for _, image := range g.images {
		p.Images = append(p.Images, image.Image)
	}
	return *p, nil
}

// deriveSKU makes the SKU of a variant that has none: the handle for a lone
// default variant, else the handle and the option values in lower case:
// clay-plant-pot--regular, shirt--dark-red-large.
func deriveSKU(handle string, chosen []Option, lone bool) string {
	if lone && len(chosen) == 1 && chosen[0].Value == "Default Title" {
		return handle
	}
	values := make([]string, len(chosen))
	for i, o := range chosen {
		values[i] = strings.Join(strings.Fields(strings.ToLower(o.Value)), "-")
	}
	return handle + "--" + strings.Join(values, "-")
}

// plainText takes off the apostrophe by which exports keep spreadsheets from
// reading digits as a number.
func plainText(s string) string {
	if rest, ok := strings.CutPrefix(s, "'"); ok && allDigits(rest) {
		return rest
	}
	return s
}
