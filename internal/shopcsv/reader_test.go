package shopcsv_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/shopcsv"
)

const head = "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,Option2 Value," +
	"Variant SKU,Variant Grams,Variant Inventory Qty,Variant Price,Variant Compare At Price,Variant Barcode,Image Src,Image Position,Image Alt Text,Status\n"

func pieces(n int64) *int64 { return &n }

// read gives the products by handle and the refusals as text.
func read(t *testing.T, in io.Reader) ([]shopcsv.Product, []string) {
	t.Helper()
	r, err := shopcsv.NewReader(in, 2)
	require.NoError(t, err)
	var products []shopcsv.Product
	var refused []string
	for {
		p, err := r.Next()
		var refusal *shopcsv.Refusal
		switch {
		case errors.Is(err, io.EOF):
			_, err := r.Next()
			require.ErrorIs(t, err, io.EOF, "the end stays the end")
			return products, refused
		case errors.As(err, &refusal):
			refused = append(refused, refusal.Error())
		default:
			require.NoError(t, err)
			products = append(products, p)
		}
	}
}

func TestHomeAndGarden(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/home-and-garden.csv")
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	products, refused := read(t, f)
	require.Empty(t, refused)
	require.Len(t, products, 20)
	was := int64(7500)
	require.Equal(t, shopcsv.Product{
		Line: 2, Handle: "clay-plant-pot", Title: "Clay Plant Pot", BodyHTML: "<p>Classic blown clay pot for plants</p>",
		Vendor: "Company 123", Type: "Outdoor", Tags: []string{"Pot", "Plants"}, Status: shopcsv.Active,
		Images: []shopcsv.Image{
			{Src: "https://burst.shopifycdn.com/photos/single-sprout-in-a-pot_925x.jpg"},
			{Src: "https://burst.shopifycdn.com/photos/pot-with-a-single-sprout_925x.jpg"},
		},
		Variants: []shopcsv.Variant{
			{Line: 2, SKU: "clay-plant-pot--regular", Title: "Regular", Options: []shopcsv.Option{{Name: "Size", Value: "Regular"}}, Quantity: pieces(1), Price: 999},
			{Line: 3, SKU: "clay-plant-pot--large", Title: "Large", Options: []shopcsv.Option{{Name: "Size", Value: "Large"}}, Quantity: pieces(3), Price: 1599},
		},
	}, products[0])
	require.Equal(t, shopcsv.Variant{
		Line: 4, SKU: "copper-light", Title: "Default Title", Options: []shopcsv.Option{{Name: "Title", Value: "Default Title"}},
		Quantity: pieces(2), Price: 5999, CompareAt: &was,
	}, products[1].Variants[0])
	require.EqualValues(t, 50000, products[2].Variants[0].Price)
}

func TestApparel(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/apparel.csv")
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	products, refused := read(t, f)
	require.Empty(t, refused)
	require.Len(t, products, 20)
	require.Equal(t, "ocean-blue-shirt", products[0].Variants[0].SKU)
	skus := map[string]bool{}
	for _, p := range products {
		for _, v := range p.Variants {
			skus[v.SKU] = true
		}
	}
	require.Len(t, skus, 22)
	require.True(t, skus["classic-varsity-top--small"])
}

func TestForm(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		in   string
		want []string // handle, title, SKUs
	}{
		"byte-order mark":     {"\xef\xbb\xbfHandle,Title,Option1 Value,Variant Price\na,A,x,1\n", []string{"a A a--x"}},
		"CRLF":                {"Handle,Title,Option1 Value,Variant Price\r\na,A,x,1\r\na,,y,1\r\n", []string{"a A a--x a--y"}},
		"no last line break":  {"Handle,Title,Option1 Value,Variant Price\na,A,x,1", []string{"a A a--x"}},
		"other order":         {"Variant Price,Option1 Value,Unknown,Title,Handle\n1,x,?,A,a\n", []string{"a A a--x"}},
		"names in lower case": {"handle, title ,option1 value,variant price\na,A,x,1\n", []string{"a A a--x"}},
		"quoted line breaks":  {"Handle,Title,Option1 Value,Variant Price\n\"a\",\"A \"\"big\"\",\r\none\",x,1\nb,B,x,1\n", []string{"a A \"big\",\none a--x", "b B b--x"}},
		"blank lines":         {"Handle,Title,Option1 Value,Variant Price\n\na,A,x,1\n,,,\n\r\na,,y,2\n", []string{"a A a--x a--y"}},
		"title repeated":      {"Handle,Title,Option1 Value,Variant Price\na,A,x,1\na,A,y,2\n", []string{"a A a--x a--y"}},
		"upper-case handle":   {"Handle,Title,Option1 Value,Variant Price\nFig-Tree,A,x,1\nfig-tree,,y,2\n", []string{"fig-tree A fig-tree--x fig-tree--y"}},
		"no products":         {"Handle,Title,Option1 Value,Variant Price\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			products, refused := read(t, iotest.OneByteReader(strings.NewReader(tc.in)))
			require.Empty(t, refused)
			var got []string
			for _, p := range products {
				s := p.Handle + " " + p.Title
				for _, v := range p.Variants {
					s += " " + v.SKU
				}
				got = append(got, s)
			}
			require.Equal(t, tc.want, got)
		})
	}
}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ in, want string }{
		"empty":           {"", "the file is empty: its first line must name the columns"},
		"no price column": {"Handle,Title,Option1 Value\n", `the first line names no column "Variant Price": is this a product export of Shopify?`},
		"nothing known":   {"a,b\n", `the first line names no column "Handle", "Title", "Option1 Value", "Variant Price": is this a product export of Shopify?`},
		"semicolons":      {"Handle;Title;Option1 Value;Variant Price\n", `the first line names no column "Handle", "Title", "Option1 Value", "Variant Price": is this a product export of Shopify?; columns must be separated by commas`},
		"twice":           {"Handle,Title,Option1 Value,Variant Price,title\n", `the column "title" is there twice`},
		"UTF-16":          {"\xff\xfeH\x00a\x00n\x00", `the file is not UTF-8: save it as "CSV UTF-8"`},
		"broken header":   {"Handle,\"Title\n", "the first line must name the columns: line 1: opens a quote that is never closed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := shopcsv.NewReader(strings.NewReader(tc.in), 2)
			require.EqualError(t, err, tc.want)
		})
	}
}

// A bad product is refused with its line; the good one before and after it are not.
func TestBadProducts(t *testing.T) {
	t.Parallel()
	const columns = 21
	row := func(fields map[int]string) string {
		all := make([]string, columns)
		for i, s := range fields {
			all[i] = s
		}
		return strings.Join(all, ",") + "\n"
	}
	variant := func(handle, title, price string, more map[int]string) string {
		fields := map[int]string{0: handle, 1: title, 7: "Size", 8: "S", 14: price}
		for i, s := range more {
			fields[i] = s
		}
		return row(fields)
	}
	for name, tc := range map[string]struct {
		in   string
		want []string
	}{
		"no title":            {variant("bad", "", "1", nil), []string{"line 3: bad: the first row of a product must have a Title"}},
		"no variant":          {row(map[int]string{0: "bad", 1: "Bad"}), []string{"line 3: bad: has no variant: a row with Option1 Value and Variant Price is one"}},
		"no handle":           {variant("", "Bad", "1", nil), []string{"line 3: the row has no Handle"}},
		"no price":            {variant("bad", "Bad", "", nil), []string{`line 3: bad: the variant "S" has no Variant Price`}},
		"price without value": {variant("bad", "Bad", "1", map[int]string{8: ""}), []string{"line 3: bad: a Variant Price without an Option1 Value"}},
		"price is a word":     {variant("bad", "Bad", "free", nil), []string{`line 3: bad: Variant Price "free" is no price: write it like 1299.90`}},
		"negative price":      {variant("bad", "Bad", "-1", nil), []string{`line 3: bad: Variant Price "-1" is no price: write it like 1299.90`}},
		"a third of a cent":   {variant("bad", "Bad", "9.999", nil), []string{`line 3: bad: Variant Price "9.999" has more than the 2 decimals of the shop's currency`}},
		"price beyond int64":  {variant("bad", "Bad", strings.Repeat("9", 30), nil), []string{`line 3: bad: Variant Price "999999999999999999999999999999" is too much`}},
		"bad compare-at":      {variant("bad", "Bad", "1", map[int]string{15: "x"}), []string{`line 3: bad: Variant Compare At Price "x" is no price: write it like 1299.90`}},
		"negative quantity":   {variant("bad", "Bad", "1", map[int]string{13: "-2"}), []string{"line 3: bad: Variant Inventory Qty is -2: it cannot be below 0"}},
		"half a piece":        {variant("bad", "Bad", "1", map[int]string{13: "0.5"}), []string{`line 3: bad: Variant Inventory Qty is "0.5": it must be a whole number`}},
		"heavy":               {variant("bad", "Bad", "1", map[int]string{12: "99999999999"}), []string{"line 3: bad: Variant Grams is 99999999999: it cannot be above 1000000000"}},
		"published maybe":     {variant("bad", "Bad", "1", map[int]string{6: "maybe"}), []string{`line 3: bad: the column Published is "maybe": it may be true or false`}},
		"unknown status":      {variant("bad", "Bad", "1", map[int]string{20: "lost"}), []string{`line 3: bad: the column Status is "lost": it may be active, draft or archived`}},
		"bad second row":      {variant("bad", "Bad", "1", nil) + variant("bad", "", "x", nil) + variant("bad", "", "2", nil), []string{`line 4: bad: Variant Price "x" is no price: write it like 1299.90`}},
		"another title":       {variant("bad", "Bad", "1", nil) + variant("bad", "Worse", "1", nil), []string{`line 4: bad: another Title for the same Handle: "Worse"`}},
		"the same SKU":        {variant("bad", "Bad", "1", nil) + variant("bad", "", "1", nil), []string{"line 4: bad: the SKU bad--S is in line 3 already"}},
		"no UTF-8":            {variant("bad", "B\xff", "1", nil), []string{`line 3: bad: column 2 is not UTF-8: save the file as "CSV UTF-8"`}},
		"a NUL in the SKU":    {variant("bad", "Bad", "1", map[int]string{11: "b\x00d"}), []string{"line 3: bad: column 12 has a NUL, which is no text: take it out"}},
		"a NUL in the handle": {variant("b\x00d", "Bad", "1", nil), []string{"line 3: b\x00d: column 1 has a NUL, which is no text: take it out"}},
		"too few columns":     {"bad,Bad,x\n", []string{"line 3: bad: the row has 3 columns, the first line has 21"}},
		"too many columns":    {strings.TrimSuffix(variant("bad", "Bad", "1", nil), "\n") + ",more\n", []string{"line 3: bad: the row has 22 columns, the first line has 21"}},
		"quote in a field":    {variant("bad", `B"d`, "1", nil), []string{`line 3: bad: the row has a quote inside a field: put the field in quotes and double the quote inside ("")`}},
		"quote not doubled":   {variant("bad", "\"<p class=\"x\">\nmore\n</p>\"", "1", nil), []string{`line 3: bad: the row has text after a closing quote: double a quote that is meant as text ("")`}},
		"quote left open":     {variant("bad", `"Bad`, "1", nil), []string{"line 3: bad: the row opens a quote that is never closed"}},
		"too many rows":       {variant("bad", "Bad", "1", nil) + strings.Repeat(row(map[int]string{0: "bad", 17: "https://x"}), 2048), []string{"line 2051: bad: has more than 2048 rows"}},
		"handle comes again":  {variant("one", "One again", "1", nil) + variant("one", "", "2", nil), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := head + variant("one", "One", "1", nil) + tc.in + variant("two", "Two", "2", nil)
			if name == "the same SKU" { // derived SKUs are in lower case
				tc.want = []string{"line 4: bad: the SKU bad--s is in line 3 already"}
			}
			if name == "handle comes again" {
				in = head + variant("one", "One", "1", nil) + variant("zero", "Zero", "1", nil) + tc.in + variant("two", "Two", "2", nil)
				tc.want = []string{"line 4: one: the Handle was further up already: rows of one product must stand together"}
			}
			products, refused := read(t, strings.NewReader(in))
			require.Equal(t, tc.want, refused)
			require.Equal(t, "one", products[0].Handle)
			require.Equal(t, "two", products[len(products)-1].Handle)
		})
	}
}

// Text that spans lines leaves pieces behind where its row is broken. They are no
// products, whatever they begin with, and the rows after them belong to theirs.
func TestPiecesOfABrokenRow(t *testing.T) {
	t.Parallel()
	const (
		tail   = ",V,T,a,true,Size,Small,,,,,1,1,,,,,,\n"
		second = "q,,,,,,,,Large,,,,,1,2,,,,,,\n"
		good   = "g,G,<p>g</p>,V,T,a,true,Size,Small,,,,,1,1,,,,,,\n"
		reason = `: the row has text after a closing quote: double a quote that is meant as text ("")`
	)
	for name, tc := range map[string]struct {
		in   string
		want []string
	}{
		"a word and a comma, and the end":    {"q,Q,\"<p class=\"x\">\nHowever, it grows</p>\"" + tail + second, []string{"line 3: q" + reason}},
		"a word and a comma, then the end":   {"q,Q,\"<p class=\"x\">\nHowever, it grows\n</p>\"" + tail + second, []string{"line 3: q" + reason}},
		"many commas":                        {"q,Q,\"<p class=\"x\">\nRed, green, blue\nand, again, red\n</p>\"" + tail + second, []string{"line 3: q" + reason}},
		"the second row has the text":        {"q,Q,,V,T,a,true,Size,Small,,,,,1,1,,,,,,\nq,,\"<p class=\"x\">\nHowever, it grows\n</p>\"" + tail, []string{"line 4: q" + reason}},
		"two of them":                        {"q,Q,\"<p class=\"x\">\nHowever, it grows\n</p>\"" + tail + "r,R,\"<p class=\"x\">\nNow, this\n</p>\"" + tail, []string{"line 3: q" + reason, "line 6: r" + reason}},
		"the end is lost, and another comes": {"q,Q,\"<p class=\"x\">\nHowever, it grows\nr,R,\"<p class=\"x\"></p>\"" + tail, []string{"line 3: q" + reason, "line 5: r" + reason}},
		"the title is in each row":           {"q,Q,<p>\n</p>" + tail + "q,Q,,V,T,a,true,Size,Large,,,,,1,1,,,,,,\n", []string{"line 3: q: the row has 3 columns, the first line has 21"}},
		"short rows have no pieces":          {"q,Q,<p>\nr,R,<p>\n", []string{"line 3: q: the row has 3 columns, the first line has 21", "line 4: r: the row has 3 columns, the first line has 21"}},
		"another product, and it again":      {"q,Q,\"<p class=\"x\"></p>\"" + tail + good + "q,Q,,V,T,a,true,Size,Large,,,,,1,1,,,,,,\n", []string{"line 3: q" + reason, "line 5: q: the Handle was further up already: rows of one product must stand together"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			products, refused := read(t, strings.NewReader(head+strings.ReplaceAll(good, "g,G", "f,F")+tc.in+strings.ReplaceAll(good, "g,G", "z,Z")))
			require.Equal(t, tc.want, refused)
			require.Equal(t, "f", products[0].Handle)
			require.Equal(t, "z", products[len(products)-1].Handle)
		})
	}
}

// A line of text that begins like a row costs no other product: there may be a good
// one with the handle that it seems to have.
func TestTextOfABrokenRowIsNoProduct(t *testing.T) {
	t.Parallel()
	const (
		row  = ",V,T,a,true,Size,Small,,,,,1,1,,,,,,\n"
		good = "g,G,<p>g</p>" + row
		mug  = "mug,Mug,<p>mug</p>" + row
	)
	commas := strings.Repeat("Soft, warm, light\n", 9) // as many as the row lacks
	for name, in := range map[string]string{
		"words":                "q,Q,\"<p class=\"x\">\n" + commas + "Mug, plate and bowl\n</p>\"" + row + good + mug,
		"and it comes at once": "q,Q,\"<p class=\"x\">\n" + commas + "Mug, plate and bowl\n</p>\"" + row + mug,
		"words with a quote":   "q,Q,\"<p class=\"x\">\n" + commas + "Mug, plate and <b class=\"x\">bowl</b>\n</p>\"" + row + good + mug,
		"in the last column":   "q,Q,,V,T,a,true,Size,Small,,,,,1,1,,,,,,\"a \"b\"\nMug, plate and \"bowl\"\"\n" + good + mug,
		"no quotes at all":     "q,Q,<p>\nMug, plate and bowl\n</p>" + row + good + mug,
		"none, and at once":    "q,Q,<p>\nMug, plate and bowl\n</p>" + row + mug,
		"a quote, and at once": "q,Q,\"<p class=\"x\">\n" + commas + "Mug, plate and <b class=\"x\">bowl</b>\n</p>\"" + row + mug,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			products, refused := read(t, strings.NewReader(head+in))
			require.NotEmpty(t, refused)
			require.NotEmpty(t, products, refused)
			require.Equal(t, "mug", products[len(products)-1].Handle, refused)
		})
	}
}

// A product whose first row is broken is refused with all its rows, also where text
// in between looks like the row of another, and ends it.
func TestProductsAreRefusedAsAWhole(t *testing.T) {
	t.Parallel()
	const (
		row  = ",V,T,a,true,Size,Small,,,,,1,1,,,,,,\n"
		rest = ",,V,T,a,true,Size,Large,,,,,1,1,,,,,,\n"
		text = "\nMug, plate and bowl\n</p>" + row
	)
	for name, in := range map[string]string{
		"its text is a row":                    "q,Q,<p>" + text + "q,Q" + rest,
		"with a capital letter":                "Q, Q ,<p>" + text + "q,Q" + rest,
		"and comes twice":                      "q,Q,<p>" + text + "q,Q" + rest + "g,G" + rest + "q,Other" + rest,
		"a comma in the title":                 "q,\"Q, big\",<p>" + text + "q,\"Q, big\"" + rest,
		"no title in the broken row":           "q,,<p>" + text + "q,Q" + rest,
		"after a broken one":                   "r,R,\"<p class=\"x\"></p>\"" + row + "q,Q,<p>" + text + "q,Q" + rest,
		"after a broken one, and with a quote": "r,R,\"<p class=\"x\"></p>\"" + row + "q,Q,\"<p class=\"x\">" + text + "q,Q" + rest,
		"a quote in the title":                 "r,R,\"<p class=\"x\"></p>\"" + row + "q,\"Q," + text + "q,Q" + rest,
		"where an end is lost":                 "r,R,\"<p class=\"x\">\nq,Q,<p>" + text + "q,Q" + rest,
		"a title for each variant":             "q,Q small,<p>\nq,Q large" + rest,
		"and text between":                     "q,Q small,<p>" + text + "q,Q large" + rest,
		"named as the text":                    "r,R,<p>\nQ, however, grows\nq,Q,<p>\n</p>" + row + "q,Q" + rest,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			products, refused := read(t, strings.NewReader(head+"f,F"+rest+in+"z,Z"+rest))
			var handles []string
			for _, p := range products {
				handles = append(handles, p.Handle)
			}
			require.NotContains(t, handles, "q", refused)
			require.Equal(t, "f", handles[0])
			require.Equal(t, "z", handles[len(handles)-1])
		})
	}
}

func TestVariants(t *testing.T) {
	t.Parallel()
	in := head +
		"shirt,Shirt,,,,\" a,b ,,a\",TRUE,Color,Dark  Red,Size,Extra Large,,120.0,3.0,19.9,0.00,'012345,https://x/2,2,two,\n" +
		"shirt,,,,,,,,Blue,,S,own-sku,0, ,1299.90,1500,A1,https://x/1,1,one,\n" +
		"shirt,,,,,,,,,,,,,,,,,https://x/3,,,\n" +
		"mug,Mug,,,,,false,Title,Default Title,,,,,5,7.500,,,,,,active\n" +
		"cup,Cup,,,,,true,Title,Default Title,,,,,5,7,,,,,,draft\n" +
		"jar,Jar,,,,,,Size,Only,,,,,,0,,,,,,ARCHIVED\n"
	products, refused := read(t, strings.NewReader(in))
	require.Empty(t, refused)
	was := int64(150000)
	require.Equal(t, shopcsv.Product{
		Line: 2, Handle: "shirt", Title: "Shirt", Tags: []string{"a", "b"}, Status: shopcsv.Active,
		Images: []shopcsv.Image{{Src: "https://x/1", Alt: "one"}, {Src: "https://x/2", Alt: "two"}, {Src: "https://x/3"}},
		Variants: []shopcsv.Variant{
			{
				Line: 2, SKU: "shirt--dark-red-extra-large", Title: "Dark  Red / Extra Large", Grams: 120, Quantity: pieces(3), Price: 1990, Barcode: "012345",
				Options: []shopcsv.Option{{Name: "Color", Value: "Dark  Red"}, {Name: "Size", Value: "Extra Large"}},
			},
			{
				Line: 3, SKU: "own-sku", Title: "Blue / S", Price: 129990, CompareAt: &was, Barcode: "A1",
				Options: []shopcsv.Option{{Name: "Color", Value: "Blue"}, {Name: "Size", Value: "S"}},
			},
		},
	}, products[0])
	require.Equal(t, "mug", products[1].Variants[0].SKU)
	require.Equal(t, shopcsv.Draft, products[1].Status, "not published is a draft")
	require.EqualValues(t, 750, products[1].Variants[0].Price)
	require.Nil(t, products[3].Variants[0].Quantity, "an empty cell is no quantity")
	require.Equal(t, shopcsv.Draft, products[2].Status)
	require.Equal(t, shopcsv.Archived, products[3].Status)
	require.Equal(t, "jar--only", products[3].Variants[0].SKU)
}

func TestCurrenciesWithOtherDecimals(t *testing.T) {
	t.Parallel()
	for digits, want := range map[int]int64{0: 15, 3: 15000} {
		r, err := shopcsv.NewReader(strings.NewReader("Handle,Title,Option1 Value,Variant Price\na,A,x,15.00\n"), digits)
		require.NoError(t, err)
		p, err := r.Next()
		require.NoError(t, err)
		require.Equal(t, want, p.Variants[0].Price)
	}
}

// A file that breaks off is an error, and its last product is not half there.
func TestBrokenReader(t *testing.T) {
	t.Parallel()
	in := head + strings.Repeat("a,A,,,,,true,Size,S,,,,,1,1,,,,,,\n", 3)
	r, err := shopcsv.NewReader(io.MultiReader(strings.NewReader(in), iotest.ErrReader(io.ErrUnexpectedEOF)), 2)
	require.NoError(t, err)
	for range 2 {
		_, err = r.Next()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	}
}

// endless writes rows as they are read.
type endless struct {
	rows, at int
	left     string
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left == "" {
		if e.at > e.rows {
			return 0, io.EOF
		}
		e.left = head
		if e.at > 0 {
			e.left = fmt.Sprintf("p-%d,Product %d,\"<p>%s\n</p>\",V,T,a,true,Size,S,,,,1,1,1.00,,,https://x/%d,1,,\n", e.at, e.at, strings.Repeat("x", 500), e.at)
		}
		e.at++
	}
	n := copy(p, e.left)
	e.left = e.left[n:]
	return n, nil
}

// Not parallel: it looks at the memory of the whole process.
func TestManyRowsInBoundedMemory(t *testing.T) {
	const rows, bound = 100_000, 24 << 20
	r, err := shopcsv.NewReader(&endless{rows: rows}, 2)
	require.NoError(t, err)
	var stats runtime.MemStats
	var most uint64
	n := 0
	for ; ; n++ {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if n%20_000 == 0 {
			require.Equal(t, 2+2*n, p.Line)
			runtime.GC()
			runtime.ReadMemStats(&stats)
			most = max(most, stats.HeapAlloc)
		}
	}
	require.Equal(t, rows, n)
	require.Less(t, most, uint64(bound))
}

// A quote that is never closed costs its product, wherever the file goes on.
func TestLostQuoteInALargeFile(t *testing.T) {
	t.Parallel()
	var in strings.Builder
	in.WriteString("Handle,Title,Option1 Value,Variant Price\n")
	for i := range 5000 {
		fmt.Fprintf(&in, "p-%d,%s,x,%s\n", i, map[bool]string{true: `"Lost`, false: "Fine " + strings.Repeat("x", 500)}[i == 7 || i == 4000], "1")
	}
	products, refused := read(t, strings.NewReader(in.String()))
	require.Len(t, products, 4998)
	require.Equal(t, []string{
		"line 9: p-7: the row opens a quote that is not closed within 1024 KiB",
		"line 4002: p-4000: the row opens a quote that is never closed",
	}, refused)
}

func TestLongLine(t *testing.T) {
	t.Parallel()
	in := "Handle,Title,Option1 Value,Variant Price\na,A,x,1\nb," + strings.Repeat("x", 3<<20) + ",x,1\nc,C,x,1\n"
	products, refused := read(t, strings.NewReader(in))
	require.Len(t, products, 2)
	require.Equal(t, []string{"line 3: b: the row has a line longer than 1024 KiB"}, refused)
}
