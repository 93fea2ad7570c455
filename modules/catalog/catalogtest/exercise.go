// Package catalogtest checks implementations of the catalog against its contract,
// and gives neighbours a catalog that needs no database.
package catalogtest

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/catalog"
)

// Staff is the context of a call by somebody who may change products.
func Staff() context.Context {
	return port.WithPrincipal(context.Background(), port.Principal{Subject: "staff-1", Roles: []string{port.RoleStaff}})
}

// Customer is the context of a call by somebody who may not.
func Customer() context.Context {
	return port.WithPrincipal(context.Background(), port.Principal{Subject: "customer-1", Roles: []string{port.RoleCustomer}})
}

// Input is a good product with one variant per SKU; without SKUs, with one whose
// SKU is the handle.
func Input(handle string, skus ...string) catalog.ProductInput {
	if len(skus) == 0 {
		skus = []string{handle}
	}
	in := catalog.ProductInput{
		Handle: handle, Title: "Product " + handle, DescriptionHTML: "<p>It grows.</p>", Vendor: "Test & Sons",
		Category: "Plants", Tags: []string{"green", "indoor"},
		Images: []catalog.Image{{Src: "https://img.example/" + handle + ".png", Alt: "a plant"}},
	}
	for _, sku := range skus {
		in.Variants = append(in.Variants, catalog.Variant{
			SKU: sku, Title: "Size " + sku, Options: []catalog.Option{{Name: "Size", Value: sku}}, WeightGrams: 500, Barcode: "4006381333931",
		})
	}
	return in
}

// MustPublish makes a product and publishes it.
func MustPublish(t *testing.T, svc catalog.Service, in catalog.ProductInput) catalog.Product {
	t.Helper()
	_, err := svc.Create(Staff(), catalog.CreateRequest{Product: in})
	require.NoError(t, err)
	p, err := svc.Publish(Staff(), catalog.TransitionRequest{Handle: in.Handle})
	require.NoError(t, err)
	return p
}

// Exercise checks an implementation against the contract. It uses handles and
// SKUs of its own, so it can run against a service that others use too. except
// names the parts that an implementation does not claim to keep.
func Exercise(t *testing.T, svc catalog.Service, except ...string) {
	for name, test := range map[string]func(*testing.T, catalog.Service){
		"create":                  create,
		"create what is taken":    createTaken,
		"update":                  update,
		"versions":                versions,
		"statuses":                statuses,
		"HTML is sanitised":       sanitised,
		"only staff":              onlyStaff,
		"only published are seen": onlyPublished,
		"bad products":            badProducts,
		"list":                    list,
		"variants":                variants,
		"import":                  imports,
		"import is idempotent":    importAgain,
		"import spoils no other":  importBad,
		"SKUs move on":            skusMove,
		"SKUs at the same time":   skuRace,
		"imports at once":         importRace,
	} {
		if slices.Contains(except, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, svc)
		})
	}
}

// fresh makes a handle that nobody has.
func fresh(name string) string { return name + "-" + id.V7() }

func create(t *testing.T, svc catalog.Service) {
	in := Input(fresh("fig"))
	p, err := svc.Create(Staff(), catalog.CreateRequest{Product: in})
	require.NoError(t, err)
	require.Equal(t, catalog.Draft, p.Status)
	require.EqualValues(t, 1, p.Version)
	require.NotEmpty(t, p.ID)
	require.False(t, p.CreatedAt.IsZero())
	require.Equal(t, p.CreatedAt, p.UpdatedAt)
	got, err := svc.Get(Staff(), catalog.GetRequest{Handle: in.Handle})
	require.NoError(t, err)
	require.Equal(t, p, got)
	require.Equal(t, in.Variants, got.Variants)
	require.Equal(t, in.Images, got.Images)
	require.Equal(t, in.Tags, got.Tags)
}

func createTaken(t *testing.T, svc catalog.Service) {
	in := Input(fresh("fig"))
	MustPublish(t, svc, in)
	_, err := svc.Create(Staff(), catalog.CreateRequest{Product: Input(in.Handle, fresh("sku"))})
	require.ErrorIs(t, err, catalog.HandleTaken)
	_, err = svc.Create(Staff(), catalog.CreateRequest{Product: Input(fresh("fig"), in.Handle)})
	require.ErrorIs(t, err, catalog.SKUTaken)
}

func update(t *testing.T, svc catalog.Service) {
	in := Input(fresh("fig"))
	before := MustPublish(t, svc, in)
	in.Title, in.Tags = "Another title", []string{"red"}
	in.Variants = append(in.Variants, catalog.Variant{SKU: fresh("sku"), Title: "Big"})
	after, err := svc.Update(Staff(), catalog.UpdateRequest{Handle: in.Handle, Product: in})
	require.NoError(t, err)
	require.Equal(t, "Another title", after.Title)
	require.Equal(t, before.Version+1, after.Version)
	require.Equal(t, catalog.Published, after.Status)
	require.Equal(t, before.ID, after.ID)
	require.Len(t, after.Variants, 2)

	again, err := svc.Update(Staff(), catalog.UpdateRequest{Handle: in.Handle, Product: in})
	require.NoError(t, err)
	require.Equal(t, after, again, "the same content is no change")

	_, err = svc.Update(Staff(), catalog.UpdateRequest{Handle: fresh("nobody"), Product: Input("x")})
	require.ErrorIs(t, err, catalog.InvalidProduct, "a handle cannot change")
	nobody := fresh("nobody")
	_, err = svc.Update(Staff(), catalog.UpdateRequest{Handle: nobody, Product: Input(nobody)})
	require.ErrorIs(t, err, catalog.ProductNotFound)
	other := Input(fresh("fig"))
	MustPublish(t, svc, other)
	in.Variants[0].SKU = other.Handle
	_, err = svc.Update(Staff(), catalog.UpdateRequest{Handle: in.Handle, Product: in})
	require.ErrorIs(t, err, catalog.SKUTaken)
}

func versions(t *testing.T, svc catalog.Service) {
	in := Input(fresh("fig"))
	p, err := svc.Create(Staff(), catalog.CreateRequest{Product: in})
	require.NoError(t, err)
	in.Title = "Second"
	_, err = svc.Update(Staff(), catalog.UpdateRequest{Handle: in.Handle, Product: in, Version: p.Version + 1})
	require.ErrorIs(t, err, catalog.VersionMismatch)
	second, err := svc.Update(Staff(), catalog.UpdateRequest{Handle: in.Handle, Product: in, Version: p.Version})
	require.NoError(t, err)
	in.Title = "Third"
	_, err = svc.Update(Staff(), catalog.UpdateRequest{Handle: in.Handle, Product: in, Version: p.Version})
	require.ErrorIs(t, err, catalog.VersionMismatch)
	_, err = svc.Publish(Staff(), catalog.TransitionRequest{Handle: in.Handle, Version: p.Version})
	require.ErrorIs(t, err, catalog.VersionMismatch)
	_, err = svc.Publish(Staff(), catalog.TransitionRequest{Handle: in.Handle, Version: second.Version})
	require.NoError(t, err)
	_, err = svc.Archive(Staff(), catalog.TransitionRequest{Handle: in.Handle, Version: second.Version})
	require.ErrorIs(t, err, catalog.VersionMismatch)
}

func statuses(t *testing.T, svc catalog.Service) {
	in := Input(fresh("fig"))
	draft, err := svc.Create(Staff(), catalog.CreateRequest{Product: in})
	require.NoError(t, err)
	req := catalog.TransitionRequest{Handle: in.Handle, Version: draft.Version}
	published, err := svc.Publish(Staff(), req)
	require.NoError(t, err)
	require.Equal(t, catalog.Published, published.Status)
	require.Equal(t, draft.Version+1, published.Version)
	again, err := svc.Publish(Staff(), req)
	require.NoError(t, err, "the same request again is answered the same")
	require.Equal(t, published, again)

	archived, err := svc.Archive(Staff(), catalog.TransitionRequest{Handle: in.Handle})
	require.NoError(t, err)
	require.Equal(t, catalog.Archived, archived.Status)
	again, err = svc.Archive(Staff(), catalog.TransitionRequest{Handle: in.Handle})
	require.NoError(t, err)
	require.Equal(t, archived, again)
	_, err = svc.Publish(Staff(), catalog.TransitionRequest{Handle: in.Handle})
	require.ErrorIs(t, err, catalog.InvalidStatus)
	_, err = svc.Publish(Staff(), catalog.TransitionRequest{Handle: fresh("nobody")})
	require.ErrorIs(t, err, catalog.ProductNotFound)
}

func sanitised(t *testing.T, svc catalog.Service) {
	in := Input(fresh("fig"))
	in.DescriptionHTML = `<p onclick="steal()">Grows <b>well</b></p><script>steal()</script><a href="javascript:steal()">x</a>`
	p, err := svc.Create(Staff(), catalog.CreateRequest{Product: in})
	require.NoError(t, err)
	require.Contains(t, p.DescriptionHTML, "<p>Grows <b>well</b></p>")
	require.NotContains(t, p.DescriptionHTML, "steal")
}

func onlyStaff(t *testing.T, svc catalog.Service) {
	in := Input(fresh("fig"))
	for _, ctx := range []context.Context{context.Background(), Customer()} {
		_, err := svc.Create(ctx, catalog.CreateRequest{Product: in})
		require.ErrorIs(t, err, fault.Forbidden)
		_, err = svc.Update(ctx, catalog.UpdateRequest{Handle: in.Handle, Product: in})
		require.ErrorIs(t, err, fault.Forbidden)
		_, err = svc.Publish(ctx, catalog.TransitionRequest{Handle: in.Handle})
		require.ErrorIs(t, err, fault.Forbidden)
		_, err = svc.Archive(ctx, catalog.TransitionRequest{Handle: in.Handle})
		require.ErrorIs(t, err, fault.Forbidden)
		_, err = svc.Import(ctx, catalog.ImportRequest{Products: []catalog.ImportProduct{{Product: in, Status: catalog.Published}}})
		require.ErrorIs(t, err, fault.Forbidden)
		_, err = svc.List(ctx, catalog.ListRequest{Status: catalog.Draft, Limit: 1})
		require.ErrorIs(t, err, fault.Forbidden)
	}
}

func onlyPublished(t *testing.T, svc catalog.Service) {
	in := Input(fresh("fig"))
	seen := func() bool {
		t.Helper()
		_, err := svc.Get(Customer(), catalog.GetRequest{Handle: in.Handle})
		if err != nil {
			require.ErrorIs(t, err, catalog.ProductNotFound)
		}
		reply, listErr := svc.Variants(Customer(), catalog.VariantsRequest{SKUs: []string{in.Handle}})
		require.NoError(t, listErr)
		require.Equal(t, err == nil, len(reply.Items) == 1)
		return err == nil
	}
	_, err := svc.Create(Staff(), catalog.CreateRequest{Product: in})
	require.NoError(t, err)
	require.False(t, seen())
	_, err = svc.Publish(Staff(), catalog.TransitionRequest{Handle: in.Handle})
	require.NoError(t, err)
	require.True(t, seen())
	_, err = svc.Archive(Staff(), catalog.TransitionRequest{Handle: in.Handle})
	require.NoError(t, err)
	require.False(t, seen())
	_, err = svc.Get(Staff(), catalog.GetRequest{Handle: in.Handle})
	require.NoError(t, err)
	_, err = svc.Get(Customer(), catalog.GetRequest{Handle: "no such\x00handle\xff"})
	require.ErrorIs(t, err, catalog.ProductNotFound)
}

func badProducts(t *testing.T, svc catalog.Service) {
	for name, spoil := range map[string]func(*catalog.ProductInput){
		"no handle":         func(in *catalog.ProductInput) { in.Handle = "" },
		"handle with space": func(in *catalog.ProductInput) { in.Handle = "a fig" },
		"upper-case handle": func(in *catalog.ProductInput) { in.Handle = "Fig" },
		"no title":          func(in *catalog.ProductInput) { in.Title = "  " },
		"NUL in title":      func(in *catalog.ProductInput) { in.Title = "a\x00b" },
		"no variant":        func(in *catalog.ProductInput) { in.Variants = nil },
		"no SKU":            func(in *catalog.ProductInput) { in.Variants[0].SKU = "" },
		"SKU twice":         func(in *catalog.ProductInput) { in.Variants = append(in.Variants, in.Variants[0]) },
		"negative weight":   func(in *catalog.ProductInput) { in.Variants[0].WeightGrams = -1 },
		"four options":      func(in *catalog.ProductInput) { in.Variants[0].Options = make([]catalog.Option, 4) },
		"nameless option":   func(in *catalog.ProductInput) { in.Variants[0].Options[0].Name = "" },
		"image as data":     func(in *catalog.ProductInput) { in.Images[0].Src = "data:image/png;base64,AA" },
		"script as image":   func(in *catalog.ProductInput) { in.Images[0].Src = "javascript:alert(1)" },
		"empty tag":         func(in *catalog.ProductInput) { in.Tags = []string{""} },
		"too many variants": func(in *catalog.ProductInput) {
			for range 100 {
				in.Variants = append(in.Variants, catalog.Variant{SKU: fresh("sku")})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := Input(fresh("fig"))
			spoil(&in)
			_, err := svc.Create(Staff(), catalog.CreateRequest{Product: in})
			require.ErrorIs(t, err, catalog.InvalidProduct)
			require.NotEmpty(t, fault.From(err).Fields)
		})
	}
}
