package searchtest

import (
	"cmp"
	"html"
	"maps"
	"slices"
	"strings"

	"github.com/banyan-tree/banyan/internal/cursor"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/search"
)

// document is a product that can be found, by the Fake.
type document struct {
	search.Item
	place                            // but for the score
	description, title, labels, rest string
}

// documents are made anew of what was heard, in the order of their ids.
func (f *Fake) documents() []document {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []document
	for _, id := range slices.Sorted(maps.Keys(f.products)) {
		p := f.products[id]
		d := document{Item: search.Item{
			ProductID: id, Handle: p.Handle, Title: p.Title, Vendor: p.Vendor, Category: p.Category, Tags: append([]string{}, p.Tags...),
		}, description: plain(p.DescriptionHTML)}
		if len(p.Images) > 0 {
			d.Image = &search.Image{Src: p.Images[0].Src, Alt: p.Images[0].Alt}
		}
		texts, priced := []string{p.Handle, d.description}, false
		for _, v := range p.Variants {
			texts = append(texts, v.SKU, v.Title)
			price, ok := f.prices[v.SKU]
			if !ok {
				continue
			}
			if !priced || price.Price.Amount < d.Item.Price.Amount {
				d.Item.Price, d.CompareAt = price.Price, price.CompareAt
			}
			if !priced || price.Price.Amount > d.PriceMost.Amount {
				d.PriceMost = price.Price
			}
			d.InStock = d.InStock || f.levels[v.SKU].Available > 0
			priced = true
		}
		if !priced || p.Status != catalog.Published {
			continue
		}
		d.title, d.labels, d.rest = keyOf(p.Title), keyOf(append(p.Tags[:len(p.Tags):len(p.Tags)], p.Vendor, p.Category)...), keyOf(texts...)
		d.place = place{Price: d.Item.Price.Amount, At: p.CreatedAt.UnixMicro(), ID: id}
		all = append(all, d)
	}
	return all
}

// plain is the text between tags.
func plain(s string) string {
	var b strings.Builder
	for s != "" {
		before, rest, _ := strings.Cut(s, "<")
		b.WriteString(before + " ")
		_, s, _ = strings.Cut(rest, ">")
	}
	return strings.Join(strings.Fields(html.UnescapeString(b.String())), " ")
}

// score is what a document is worth for terms; ok is false where one is not in it.
func (d document) score(terms [][]string) (points int64, ok bool) {
	whole := ""
	for _, t := range terms {
		whole += " " + t[0]
		switch {
		case begins(d.title, t, " "):
			points += 16
		case begins(d.title, t, ""):
			points += 12
		case begins(d.labels, t, " "):
			points += 8
		case begins(d.labels, t, ""):
			points += 6
		case begins(d.rest, t, ""):
			points++
		default:
			return 0, false
		}
	}
	if len(terms) > 1 && strings.Contains(d.title, whole) {
		points += 20
	}
	points *= 2
	if d.InStock {
		points++
	}
	return points, true
}

// answer gives a page, and counts of all that is found.
func answer(all []document, terms [][]string, req search.FindRequest, after place) (search.Results, error) {
	bounds := []int64{0, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000}
	category, vendor, price := map[string]int64{}, map[string]int64{}, make([]int64, len(bounds))
	var found []document
	r := search.Results{Items: []search.Item{}, Corrections: []search.Correction{}, Facets: search.Facets{Price: []search.PriceCount{}}}
	for _, d := range all {
		score, ok := d.score(terms)
		if !ok || req.InStock != nil && *req.InStock != d.InStock {
			continue
		}
		d.Score, d.Sort = score, req.Sort
		amount := d.Item.Price.Amount
		inCategory, inVendor := req.Category == "" || req.Category == d.Category, req.Vendor == "" || req.Vendor == d.Vendor
		inPrice := (req.MinPrice == nil || amount >= *req.MinPrice) && (req.MaxPrice == nil || amount <= *req.MaxPrice)
		if inVendor && inPrice {
			category[d.Category]++
		}
		if inCategory && inPrice {
			vendor[d.Vendor]++
		}
		if inCategory && inVendor {
			i, exact := slices.BinarySearch(bounds, amount)
			if !exact {
				i--
			}
			price[i]++
		}
		if inCategory && inVendor && inPrice {
			r.Total++
			if req.After == "" || compare(d.place, after) > 0 {
				found = append(found, d)
			}
		}
	}
	r.Facets.Category, r.Facets.Vendor = counts(category), counts(vendor)
	for i, n := range price {
		if n > 0 {
			r.Facets.Price = append(r.Facets.Price, search.PriceCount{From: bounds[i], Count: n})
			if i+1 < len(bounds) {
				r.Facets.Price[len(r.Facets.Price)-1].To = &bounds[i+1]
			}
		}
	}
	slices.SortFunc(found, func(a, b document) int { return compare(a.place, b.place) })
	var err error
	if len(found) > req.Limit {
		found = found[:req.Limit]
		r.Next, err = cursor.Encode(found[req.Limit-1].place)
	}
	for _, d := range found {
		d.Highlight = search.Highlight{Title: mark(d.Title, terms), Description: mark(part(d.description, terms), terms)}
		r.Items = append(r.Items, d.Item)
	}
	return r, err
}

func counts(of map[string]int64) []search.Count {
	const most = 50
	delete(of, "")
	list := []search.Count{}
	for value, n := range of {
		list = append(list, search.Count{Value: value, Count: n})
	}
	slices.SortFunc(list, func(a, b search.Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	return list[:min(len(list), most)]
}
