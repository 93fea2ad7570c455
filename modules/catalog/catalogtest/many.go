package catalogtest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/modules/catalog"
)

func list(t *testing.T, svc catalog.Service) {
	category, vendor, tag := fresh("category"), fresh("vendor"), fresh("tag")
	var newest []string
	for i := range 5 {
		in := Input(fresh("fig"))
		in.Category = category
		if i%2 == 0 {
			in.Vendor = vendor
			in.Tags = append(in.Tags, tag)
		}
		MustPublish(t, svc, in)
		newest = append([]string{in.Handle}, newest...)
	}
	hidden := Input(fresh("fig"))
	hidden.Category = category
	_, err := svc.Create(Staff(), catalog.CreateRequest{Product: hidden})
	require.NoError(t, err)

	all := func(req catalog.ListRequest, ctx func() []string) { require.Equal(t, ctx(), mustList(t, svc, req)) }
	odd := []string{newest[0], newest[2], newest[4]}
	all(catalog.ListRequest{Category: category, Limit: 2}, func() []string { return newest })
	all(catalog.ListRequest{Category: category, Limit: 5}, func() []string { return newest })
	all(catalog.ListRequest{Category: category, Limit: 100}, func() []string { return newest })
	all(catalog.ListRequest{Vendor: vendor, Limit: 1}, func() []string { return odd })
	all(catalog.ListRequest{Tag: tag, Limit: 2}, func() []string { return odd })
	all(catalog.ListRequest{Category: category, Tag: tag, Vendor: vendor, Limit: 100}, func() []string { return odd })
	all(catalog.ListRequest{Category: category, Status: catalog.Draft, Limit: 100}, func() []string { return []string{hidden.Handle} })
	all(catalog.ListRequest{Category: fresh("nothing"), Limit: 100}, func() []string { return nil })

	for name, req := range map[string]catalog.ListRequest{
		"limit 0":       {Limit: 0},
		"limit 101":     {Limit: 101},
		"no such state": {Limit: 1, Status: "lost"},
		"cursor":        {Limit: 1, After: "zzz"},
	} {
		_, err := svc.List(Staff(), req)
		require.Error(t, err, name)
		require.NotEmpty(t, fault.From(err).Fields, name)
	}
}

// mustList reads all pages.
func mustList(t *testing.T, svc catalog.Service, req catalog.ListRequest) []string {
	t.Helper()
	var handles []string
	for {
		page, err := svc.List(Staff(), req)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Items), req.Limit)
		for _, p := range page.Items {
			handles = append(handles, p.Handle)
		}
		if page.Next == "" {
			return handles
		}
		req.After = page.Next
	}
}

func variants(t *testing.T, svc catalog.Service) {
	small, large, draft := fresh("sku"), fresh("sku"), fresh("sku")
	in := Input(fresh("fig"), small, large)
	MustPublish(t, svc, in)
	_, err := svc.Create(Staff(), catalog.CreateRequest{Product: Input(fresh("fig"), draft)})
	require.NoError(t, err)
	reply, err := svc.Variants(Customer(), catalog.VariantsRequest{SKUs: []string{large, fresh("nothing"), draft, small}})
	require.NoError(t, err)
	require.Equal(t, []catalog.SoldVariant{
		{SKU: large, Handle: in.Handle, ProductTitle: in.Title, VariantTitle: "Size " + large, WeightGrams: 500},
		{SKU: small, Handle: in.Handle, ProductTitle: in.Title, VariantTitle: "Size " + small, WeightGrams: 500},
	}, reply.Items)
	reply, err = svc.Variants(Customer(), catalog.VariantsRequest{})
	require.NoError(t, err)
	require.Empty(t, reply.Items)
	_, err = svc.Variants(Customer(), catalog.VariantsRequest{SKUs: make([]string, 501)})
	require.ErrorIs(t, err, fault.Invalid)
}

// MustImport imports products with a status and gives their outcomes.
func MustImport(t *testing.T, svc catalog.Service, status string, products ...catalog.ProductInput) []string {
	t.Helper()
	var req catalog.ImportRequest
	for _, p := range products {
		req.Products = append(req.Products, catalog.ImportProduct{Product: p, Status: status})
	}
	reply, err := svc.Import(Staff(), req)
	require.NoError(t, err)
	require.Len(t, reply.Results, len(products))
	var outcomes []string
	for i, r := range reply.Results {
		require.Equal(t, products[i].Handle, r.Handle)
		require.Equal(t, r.Outcome == catalog.Refused, r.Reason != "", "a refusal has a reason: %+v", r)
		outcomes = append(outcomes, r.Outcome)
	}
	return outcomes
}

func imports(t *testing.T, svc catalog.Service) {
	a, b := Input(fresh("a")), Input(fresh("b"))
	require.Equal(t, []string{catalog.Created, catalog.Created}, MustImport(t, svc, catalog.Draft, a, b))
	p, err := svc.Get(Staff(), catalog.GetRequest{Handle: a.Handle})
	require.NoError(t, err)
	require.EqualValues(t, 1, p.Version)
	require.Equal(t, catalog.Draft, p.Status)

	require.Equal(t, []string{catalog.Changed}, MustImport(t, svc, catalog.Published, a))
	b.Title = "Another title"
	require.Equal(t, []string{catalog.Unchanged, catalog.Changed}, MustImport(t, svc, catalog.Published, a, b))
	p, err = svc.Get(Customer(), catalog.GetRequest{Handle: b.Handle})
	require.NoError(t, err)
	require.EqualValues(t, 2, p.Version)
	require.Equal(t, "Another title", p.Title)

	require.Equal(t, []string{catalog.Refused}, MustImport(t, svc, catalog.Draft, a), "there is no way back")
	require.Equal(t, []string{catalog.Changed}, MustImport(t, svc, catalog.Archived, a))
	require.Equal(t, []string{catalog.Refused}, MustImport(t, svc, catalog.Published, a))
	require.Empty(t, MustImport(t, svc, catalog.Published))

	_, err = svc.Import(Staff(), catalog.ImportRequest{Products: make([]catalog.ImportProduct, 501)})
	require.ErrorIs(t, err, fault.Invalid)
}

func importAgain(t *testing.T, svc catalog.Service) {
	in := Input(fresh("fig"))
	in.Title, in.DescriptionHTML = "  spaces  ", " <p>a & b</p><script>x</script> "
	in.Tags = []string{"twice", "twice"}
	in.Variants[0].Title = ""
	require.Equal(t, []string{catalog.Created}, MustImport(t, svc, catalog.Published, in))
	before, err := svc.Get(Staff(), catalog.GetRequest{Handle: in.Handle})
	require.NoError(t, err)
	require.Equal(t, []string{"twice"}, before.Tags)
	require.Equal(t, in.Handle, before.Variants[0].Title, "a title is made of the options")
	require.Equal(t, []string{catalog.Unchanged}, MustImport(t, svc, catalog.Published, in))
	after, err := svc.Get(Staff(), catalog.GetRequest{Handle: in.Handle})
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func importBad(t *testing.T, svc catalog.Service) {
	taken := Input(fresh("taken"))
	MustPublish(t, svc, taken)
	good, another := Input(fresh("good")), Input(fresh("another"))
	untitled := Input(fresh("untitled"))
	untitled.Title = ""
	require.Equal(t,
		[]string{catalog.Created, catalog.Refused, catalog.Refused, catalog.Refused, catalog.Created, catalog.Refused},
		MustImport(t, svc, catalog.Published, good, untitled, Input(fresh("thief"), taken.Handle),
			Input(good.Handle, fresh("sku")), another, Input(fresh("late"), good.Handle)))
	reply, err := svc.Import(Staff(), catalog.ImportRequest{Products: []catalog.ImportProduct{{Product: Input(fresh("x")), Status: "lost"}}})
	require.NoError(t, err)
	require.Equal(t, catalog.Refused, reply.Results[0].Outcome)
}

func skusMove(t *testing.T, svc catalog.Service) {
	sku, other := fresh("sku"), fresh("sku")
	a, b := Input(fresh("a"), sku), Input(fresh("b"))
	require.Equal(t, []string{catalog.Created, catalog.Created}, MustImport(t, svc, catalog.Published, a, b))
	a, b = Input(a.Handle, other), Input(b.Handle, sku)
	require.Equal(t, []string{catalog.Changed, catalog.Changed}, MustImport(t, svc, catalog.Published, a, b))
	reply, err := svc.Variants(Customer(), catalog.VariantsRequest{SKUs: []string{sku}})
	require.NoError(t, err)
	require.Equal(t, b.Handle, reply.Items[0].Handle)
	a, c := Input(a.Handle, fresh("sku")), Input(fresh("c"), other)
	require.Equal(t, []string{catalog.Changed, catalog.Created}, MustImport(t, svc, catalog.Published, a, c))
}

// skuRace lets many want the same SKU at once: one gets it.
func skuRace(t *testing.T, svc catalog.Service) {
	const many = 8
	sku := fresh("sku")
	errs := make([]error, many)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			_, errs[i] = svc.Create(Staff(), catalog.CreateRequest{Product: Input(fresh("fig"), sku, fresh("sku"))})
		})
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.ErrorIs(t, err, catalog.SKUTaken)
	}
	require.Equal(t, 1, won)
}

// importRace imports the same products many times at once.
func importRace(t *testing.T, svc catalog.Service) {
	const many, size = 4, 20
	var req catalog.ImportRequest
	for i := range size {
		req.Products = append(req.Products, catalog.ImportProduct{Product: Input(fresh(fmt.Sprintf("p%d", i))), Status: catalog.Published})
	}
	replies, errs := make([]catalog.ImportReply, many), make([]error, many)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() { replies[i], errs[i] = svc.Import(Staff(), req) })
	}
	all.Wait()
	made := 0
	for i := range many {
		require.NoError(t, errs[i])
		for _, r := range replies[i].Results {
			require.Contains(t, []string{catalog.Created, catalog.Unchanged}, r.Outcome, r.Reason)
			if r.Outcome == catalog.Created {
				made++
			}
		}
	}
	require.Equal(t, size, made)
	for _, p := range req.Products {
		got, err := svc.Get(Customer(), catalog.GetRequest{Handle: p.Product.Handle})
		require.NoError(t, err)
		require.EqualValues(t, 1, got.Version)
	}
}
