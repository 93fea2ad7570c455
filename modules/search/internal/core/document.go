package core

import (
	"html"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/search"
)

// Bounds of what a document keeps of a product; more of it is not found.
const (
	maxDocumentWords = 4000
	maxDescription   = 20_000 // bytes
)

// Content is what search keeps of what catalog said of a product.
type Content struct {
	Handle      string    `json:"handle"`
	Title       string    `json:"title"`
	Vendor      string    `json:"vendor"`
	Category    string    `json:"category"`
	Tags        []string  `json:"tags"`
	ImageSrc    string    `json:"image_src,omitempty"`
	ImageAlt    string    `json:"image_alt,omitempty"`
	Description string    `json:"description"` // plain text
	SKUs        []string  `json:"skus"`
	Options     []string  `json:"options"` // titles of the variants
	CreatedAt   time.Time `json:"created_at"`
}

// Product is a piece: the last that is known from catalog.
type Product struct {
	ID        string
	Version   int64
	Published bool
	Content   Content
}

// Offer is what is known of one SKU of a product. Amount is nil without a price.
type Offer struct {
	SKU       string
	Amount    *int64
	CompareAt *int64
	Currency  string
	Available int64
}

// Terms are what a document says of price and stock.
type Terms struct {
	Price, Most int64
	CompareAt   *int64
	Currency    string
	InStock     bool
}

// Document is a product that can be found.
type Document struct {
	ProductID string
	Content   Content
	Terms     Terms
	TitleKey  string
	LabelKey  string
	Title     []string // words
	Rest      []string // words of all but the title
	Known     []string // words that stand for mistyped ones
	Labels    []Label
}

// Label is a category or a vendor.
type Label struct {
	Kind, Value string
	Begins      []string // the label as it is compared, from each of its words on
}

func newProduct(p catalog.Product) Product {
	c := Content{
		Handle: p.Handle, Title: p.Title, Vendor: p.Vendor, Category: p.Category, Tags: p.Tags,
		Description: plainText(p.DescriptionHTML), CreatedAt: p.CreatedAt,
	}
	if c.Tags == nil {
		c.Tags = []string{}
	}
	if len(p.Images) > 0 {
		c.ImageSrc, c.ImageAlt = p.Images[0].Src, p.Images[0].Alt
	}
	for _, v := range p.Variants {
		c.SKUs = append(c.SKUs, v.SKU)
		c.Options = append(c.Options, v.Title)
	}
	slices.Sort(c.SKUs)
	c.SKUs = slices.Compact(c.SKUs)
	return Product{ID: p.ID, Version: p.Version, Published: p.Status == catalog.Published, Content: c}
}

// termsOf gives what a product costs and whether it is there. ok is false where
// no variant has a price: then nobody can buy it.
func termsOf(offers []Offer) (t Terms, ok bool) {
	for _, o := range offers {
		if o.Amount == nil {
			continue
		}
		if !ok || *o.Amount < t.Price {
			t.Price, t.CompareAt, t.Currency = *o.Amount, o.CompareAt, o.Currency
		}
		t.Most = max(t.Most, *o.Amount)
		t.InStock = t.InStock || o.Available > 0
		ok = true
	}
	return t, ok
}

func newDocument(id string, c Content, t Terms) Document {
	d := Document{ProductID: id, Content: c, Terms: t}
	d.Title = textsOf(maxDocumentWords, c.Title)
	labels := textsOf(maxDocumentWords, append([]string{c.Vendor, c.Category}, c.Tags...)...)
	d.TitleKey, d.LabelKey = keyOf(d.Title), keyOf(labels)
	rest := append(labels, textsOf(maxDocumentWords, slices.Concat([]string{c.Handle}, c.Options, c.SKUs, []string{c.Description})...)...)
	slices.Sort(rest)
	d.Rest = slices.Compact(rest)
	known := slices.DeleteFunc(slices.Concat(d.Title, d.Rest), func(w string) bool { return !correctable(w) })
	slices.Sort(known)
	d.Known = slices.Compact(known)
	for kind, value := range map[string]string{search.OfCategory: c.Category, search.OfVendor: c.Vendor} {
		l := Label{Kind: kind, Value: value}
		words := textsOf(maxDocumentWords, value)
		for i := range words {
			l.Begins = append(l.Begins, strings.Join(words[i:], " "))
		}
		if len(words) > 0 {
			d.Labels = append(d.Labels, l)
		}
	}
	return d
}

// plainText is what a person reads of sanitised HTML, in which < and > stand for
// nothing but tags.
func plainText(s string) string {
	var b strings.Builder
	for s != "" {
		before, rest, tag := strings.Cut(s, "<")
		b.WriteString(before)
		if !tag {
			break
		}
		b.WriteByte(' ')
		_, s, _ = strings.Cut(rest, ">")
	}
	text := strings.Join(strings.Fields(strings.ReplaceAll(html.UnescapeString(b.String()), "\x00", " ")), " ")
	if len(text) > maxDescription {
		n := maxDescription
		for !utf8.RuneStart(text[n]) {
			n--
		}
		text = text[:n]
	}
	return text
}
