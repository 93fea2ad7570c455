package core

import (
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/modules/catalog"
)

// Limits of a product. Lengths are in characters, unless said otherwise.
const (
	maxName        = 255
	maxSKU         = 200       // bytes, as in the other contexts that know a SKU
	maxDescription = 512 << 10 // bytes
	maxTags        = 250
	maxImages      = 250
	maxVariants    = 100
	maxOptions     = 3
	maxSrc         = 2048
	maxWeight      = 1_000_000_000 // grams
)

var handleForm = regexp.MustCompile(`^[\p{Ll}\p{Lo}\p{M}\p{N}]+(?:[-_]+[\p{Ll}\p{Lo}\p{M}\p{N}]+)*$`)

// checker collects what is wrong with an input.
type checker struct{ fields []fault.Field }

func (c *checker) wrong(pointer, format string, args ...any) {
	c.fields = append(c.fields, fault.Field{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
}

// text trims a line of text and checks it.
func (c *checker) text(pointer, s string, most int, needed bool) string {
	s = strings.TrimSpace(s)
	switch {
	case needed && s == "":
		c.wrong(pointer, "is missing")
	case !utf8.ValidString(s):
		c.wrong(pointer, "is not UTF-8")
	case utf8.RuneCountInString(s) > most:
		c.wrong(pointer, "is longer than %d characters", most)
	case strings.ContainsFunc(s, unicode.IsControl):
		c.wrong(pointer, "has a control character or a line break in it")
	}
	return s
}

// clean brings an input into the form in which it is kept, or tells all that is
// wrong with it. The same input always gives the same result.
// Codes: InvalidProduct.
func clean(in catalog.ProductInput) (catalog.ProductInput, error) {
	c := &checker{}
	out := catalog.ProductInput{
		Handle:   c.text("/handle", in.Handle, maxName, true),
		Title:    c.text("/title", in.Title, maxName, true),
		Vendor:   c.text("/vendor", in.Vendor, maxName, false),
		Category: c.text("/category", in.Category, maxName, false),
	}
	if out.Handle != "" && !handleForm.MatchString(out.Handle) {
		c.wrong("/handle", "may have lower-case letters, digits, and - or _ between them")
	}
	out.DescriptionHTML = c.description(in.DescriptionHTML)
	out.Tags = c.tags(in.Tags)
	out.Images = c.images(in.Images)
	out.Variants = c.variants(in.Variants)
	if len(c.fields) > 0 {
		err := catalog.InvalidProduct.Errorf("%s", sentence(c.fields))
		err.Fields = c.fields
		return catalog.ProductInput{}, err
	}
	return out, nil
}

func (c *checker) description(html string) string {
	if !utf8.ValidString(html) || strings.ContainsRune(html, 0) {
		c.wrong("/description_html", "is not UTF-8 text")
		return ""
	}
	if len(html) > maxDescription {
		c.wrong("/description_html", "is longer than %d KiB", maxDescription>>10)
		return ""
	}
	return sanitise(html)
}

func (c *checker) tags(tags []string) []string {
	out := make([]string, 0, len(tags))
	if len(tags) > maxTags {
		c.wrong("/tags", "are more than %d", maxTags)
		return out
	}
	for i, tag := range tags {
		tag = c.text(fmt.Sprintf("/tags/%d", i), tag, maxName, true)
		if !slices.Contains(out, tag) {
			out = append(out, tag)
		}
	}
	return out
}

func (c *checker) images(images []catalog.Image) []catalog.Image {
	out := make([]catalog.Image, 0, len(images))
	if len(images) > maxImages {
		c.wrong("/images", "are more than %d", maxImages)
		return out
	}
	for i, image := range images {
		at := fmt.Sprintf("/images/%d", i)
		src := c.text(at+"/src", image.Src, maxSrc, true)
		if u, err := url.Parse(src); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			c.wrong(at+"/src", "is no http or https address")
		}
		alt := strings.Join(strings.Fields(image.Alt), " ")
		out = append(out, catalog.Image{Src: src, Alt: c.text(at+"/alt", alt, 2*maxName, false)})
	}
	return out
}

func (c *checker) variants(variants []catalog.Variant) []catalog.Variant {
	out := make([]catalog.Variant, 0, len(variants))
	if len(variants) == 0 || len(variants) > maxVariants {
		c.wrong("/variants", "are %d: a product has 1 to %d", len(variants), maxVariants)
		return out
	}
	skus := make(map[string]bool, len(variants))
	for i, v := range variants {
		at := fmt.Sprintf("/variants/%d", i)
		v.SKU = c.text(at+"/sku", v.SKU, maxSKU, true)
		if len(v.SKU) > maxSKU && utf8.RuneCountInString(v.SKU) <= maxSKU {
			c.wrong(at+"/sku", "is longer than %d bytes", maxSKU)
		}
		if v.SKU != "" && skus[v.SKU] {
			c.wrong(at+"/sku", "is the SKU of another variant of this product: %q", v.SKU)
		}
		skus[v.SKU] = true
		v.Options = c.options(at, v.Options)
		v.Title = c.text(at+"/title", v.Title, (maxOptions+1)*maxName, false)
		if v.Title == "" {
			v.Title = optionTitle(v.Options)
		}
		v.Barcode = c.text(at+"/barcode", v.Barcode, maxName, false)
		if v.WeightGrams < 0 || v.WeightGrams > maxWeight {
			c.wrong(at+"/weight_grams", "is %d: it may be 0 to %d", v.WeightGrams, maxWeight)
		}
		out = append(out, v)
	}
	return out
}

func (c *checker) options(at string, options []catalog.Option) []catalog.Option {
	out := make([]catalog.Option, 0, len(options))
	if len(options) > maxOptions {
		c.wrong(at+"/options", "are more than %d", maxOptions)
		return out
	}
	for i, o := range options {
		at := fmt.Sprintf("%s/options/%d", at, i)
		o = catalog.Option{
			Name:  c.text(at+"/name", o.Name, maxName, true),
			Value: c.text(at+"/value", o.Value, maxName, true),
		}
		if slices.ContainsFunc(out, func(other catalog.Option) bool { return other.Name == o.Name }) {
			c.wrong(at+"/name", "is the name of another option of this variant: %q", o.Name)
		}
		out = append(out, o)
	}
	return out
}

// optionTitle is the title of a variant that was given none: "Red / Large".
func optionTitle(options []catalog.Option) string {
	values := make([]string, len(options))
	for i, o := range options {
		values[i] = o.Value
	}
	return strings.Join(values, " / ")
}

// sentence names the first things that are wrong, for a message.
func sentence(fields []fault.Field) string {
	const most = 3
	parts := make([]string, 0, most)
	for _, f := range fields[:min(most, len(fields))] {
		parts = append(parts, strings.TrimPrefix(f.Pointer, "/")+" "+f.Detail)
	}
	s := strings.Join(parts, "; ")
	if more := len(fields) - most; more > 0 {
		s += fmt.Sprintf("; and %d more", more)
	}
	return s
}

// content is what an input decides of a product.
func content(p catalog.Product) catalog.ProductInput {
	return catalog.ProductInput{
		Handle: p.Handle, Title: p.Title, DescriptionHTML: p.DescriptionHTML, Vendor: p.Vendor,
		Category: p.Category, Tags: p.Tags, Images: p.Images, Variants: p.Variants,
	}
}

// with gives the product with another content. p may be the zero product.
func with(p catalog.Product, in catalog.ProductInput) catalog.Product {
	p.Handle, p.Title, p.DescriptionHTML, p.Vendor = in.Handle, in.Title, in.DescriptionHTML, in.Vendor
	p.Category, p.Tags, p.Images, p.Variants = in.Category, in.Tags, in.Images, in.Variants
	return p
}

// says tells whether the product already has this content, which was cleaned.
func says(p catalog.Product, in catalog.ProductInput) bool {
	return reflect.DeepEqual(content(p), in)
}

func skusOf(in catalog.ProductInput) []string {
	skus := make([]string, len(in.Variants))
	for i, v := range in.Variants {
		skus[i] = v.SKU
	}
	return skus
}
