package contract_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/boundary"
	"github.com/banyan-tree/banyan/internal/contract"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/port"
)

// text is the source of the contract in which changes are planted.
const text = `package shop

import ("context"; "github.com/banyan-tree/banyan/internal/fault"; "github.com/banyan-tree/banyan/internal/event")

var (
	Refused = fault.Define("shop.refused", fault.KindConflict)
	Unknown = fault.Define("shop.unknown", fault.KindNotFound)
	Unnamed = fault.Define("shop.unnamed", fault.KindInvalid)
)

// Statuses.
const (
	Open   = "open"
	Closed = "closed"
)

type Service interface {
	// Sell sells. Codes: Refused (final), Unknown, fault.Forbidden.
	Sell(ctx context.Context, req Request) (Reply, error)
	// Find finds. Codes: Unknown.
	Find(ctx context.Context, req Request) (Reply, error)
}

var Sold = event.Define[Data](Topic, "shop.sold")
`

// shop is a contract with one method of each kind and one event, all of which
// carry a T beside what never changes.
func shop[T any](t *testing.T, source string, also ...port.Described) *contract.Document {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "modules", "shop")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "shop.go"), []byte(source), 0o600))
	src, err := contract.ReadSource(root, "shop")
	require.NoError(t, err)
	type still struct {
		ID string `json:"id"`
	}
	methods := also
	if methods == nil {
		methods = []port.Described{
			port.Command[T, still]("shop.sell", port.Key(func(T) string { return "" })),
			port.Query[still, T]("shop.find"),
		}
	}
	d, err := contract.Describe(contract.Module{
		Name: "shop", Methods: methods, Events: []event.Described{event.Define[T]("shop.thing", "shop.sold")},
	}, src)
	require.NoError(t, err)
	return recorded(t, d)
}

// recorded writes a document and reads it again, as a record is.
func recorded(t *testing.T, d *contract.Document) *contract.Document {
	t.Helper()
	body, err := json.Marshal(d)
	require.NoError(t, err)
	out := &contract.Document{}
	require.NoError(t, json.Unmarshal(body, out))
	return out
}

// users: the till sells and listens, the window finds.
var users = contract.UsersOf(boundary.Graph{
	Calls: []boundary.Call{
		{From: "till", To: "shop", Methods: []string{"Sell"}},
		{From: "window", To: "shop", Edge: true, Methods: []string{"Find"}},
	},
	Events: []boundary.Exchange{{From: "shop", To: "till", Types: []string{"shop.sold"}}},
})

// told are the changes as "rule place".
func told(was, is *contract.Document) []string {
	list := []string{}
	for _, c := range contract.Compare(contract.Set{"shop": was}, contract.Set{"shop": is}, users) {
		list = append(list, string(c.Weight)+" "+c.Name+" "+c.Where())
	}
	return list
}

// everywhere is what is told of a change that shows in all three parts.
func everywhere(what string) []string {
	weight, path, _ := strings.Cut(what, "|")
	return []string{weight + "shop.find reply" + path, weight + "shop.sell request" + path, weight + "shop.sold data" + path}
}

type planted struct {
	was, is func(*testing.T, string, ...port.Described) *contract.Document
	want    []string
}

func plant[Was, Is any](want ...string) planted {
	return planted{shop[Was], shop[Is], want}
}

type (
	price struct {
		Amount   int64  `json:"amount"`
		Currency string `json:"currency"`
	}
	priceOfText struct {
		Amount   string `json:"amount"`
		Currency string `json:"currency"`
	}
	line struct {
		Price price  `json:"price"`
		More  []line `json:"more"`
	}
	lineOfText struct {
		Price priceOfText  `json:"price"`
		More  []lineOfText `json:"more"`
	}
	base struct {
		A string `json:"a"`
	}
	named struct { // base by another name
		A string `json:"a"`
	}
	embedding struct{ base }
)

// fieldCorpus are changes of what travels.
func fieldCorpus() map[string]planted {
	type a = struct {
		A string `json:"a"`
	}
	type ab = struct {
		A string `json:"a"`
		B string `json:"b"`
	}
	type aMayB = struct {
		A string `json:"a"`
		B string `json:"b,omitempty"`
	}
	type status = struct {
		A string `json:"a"`
		S string `json:"s" enum:"open,closed"`
	}
	return map[string]planted{
		"a field is removed":  plant[ab, a](everywhere("breaking field-removed |.b")...),
		"an optional one too": plant[aMayB, a](everywhere("breaking field-removed |.b")...),
		"a field is renamed": plant[a, struct {
			B string `json:"b,omitempty"`
		}]("breaking field-removed shop.find reply.a", "breaking field-removed shop.sell request.a", "breaking field-removed shop.sold data.a", "addition field-added shop.find reply.b", "addition field-added shop.sell request.b", "addition field-added shop.sold data.b"),
		"a required field is added": plant[a, ab](everywhere("breaking field-added-required |.b")...),
		"a field becomes required":  plant[aMayB, ab](everywhere("breaking field-now-required |.b")...),
		"a field becomes optional":  plant[ab, aMayB](everywhere("breaking field-now-optional |.b")...),
		"by omitzero too": plant[ab, struct {
			A string `json:"a"`
			B string `json:"b,omitzero"`
		}](everywhere("breaking field-now-optional |.b")...),
		"a field becomes a pointer": plant[ab, struct {
			A string  `json:"a"`
			B *string `json:"b"`
		}](everywhere("breaking field-now-optional |.b")...),
		"an optional one becomes a pointer": plant[aMayB, struct {
			A string  `json:"a"`
			B *string `json:"b,omitempty"`
		}](everywhere("breaking null-allowed |.b")...),
		"a pointer becomes plain": plant[struct {
			A string  `json:"a"`
			B *string `json:"b,omitempty"`
		}, aMayB](everywhere("breaking null-forbidden |.b")...),
		"text becomes a number": plant[a, struct {
			A int `json:"a"`
		}](everywhere("breaking type-changed |.a")...),
		"a number becomes narrower": plant[struct {
			A int64 `json:"a"`
		}, struct {
			A int32 `json:"a"`
		}](everywhere("breaking type-changed |.a")...),
		"a number becomes a fraction": plant[struct {
			A int64 `json:"a"`
		}, struct {
			A float64 `json:"a"`
		}](everywhere("breaking type-changed |.a")...),
		"a time becomes text": plant[struct {
			A time.Time `json:"a"`
		}, a](everywhere("breaking type-changed |.a")...),
		"bytes become text": plant[struct {
			A []byte `json:"a"`
		}, struct {
			A *string `json:"a"`
		}](everywhere("breaking type-changed |.a")...),
		"one becomes many": plant[a, struct {
			A []string `json:"a,omitempty"`
		}]("breaking field-now-optional shop.find reply.a", "breaking type-changed shop.find reply.a", "breaking field-now-optional shop.sell request.a", "breaking type-changed shop.sell request.a", "breaking field-now-optional shop.sold data.a", "breaking type-changed shop.sold data.a"),
		"many of something else": plant[struct {
			A []string `json:"a"`
		}, struct {
			A []int `json:"a"`
		}](everywhere("breaking type-changed |.a[]")...),
		"a map of something else": plant[struct {
			A map[string]int `json:"a"`
		}, struct {
			A map[string]bool `json:"a"`
		}](everywhere("breaking type-changed |.a{}")...),
		"an object becomes a map": plant[struct {
			A price `json:"a"`
		}, struct {
			A map[string]int `json:"a"`
		}]("breaking field-now-optional shop.find reply.a", "breaking type-changed shop.find reply.a", "breaking field-now-optional shop.sell request.a", "breaking type-changed shop.sell request.a", "breaking field-now-optional shop.sold data.a", "breaking type-changed shop.sold data.a"),
		"deep in a list of itself": plant[line, lineOfText](everywhere("breaking type-changed |.price.amount")...),
		"a value is taken away": plant[status, struct {
			A string `json:"a"`
			S string `json:"s"`
		}]("caution enum-widened shop.find reply.s", "caution enum-widened shop.sold data.s", "addition enum-widened-request shop.sell request.s"),
		"free text gets values": plant[struct {
			A string `json:"a"`
			S string `json:"s"`
		}, status]("breaking enum-narrowed shop.sell request.s"),
		"an optional field is added": plant[a, aMayB](everywhere("addition field-added |.b")...),
		"an optional list is added": plant[a, struct {
			A string  `json:"a"`
			B []price `json:"b"`
		}](everywhere("addition field-added |.b")...),

		// What looks like a change and is none.
		"nothing":               plant[ab, ab](),
		"a type has a new name": plant[base, named](),
		"fields change places": plant[ab, struct {
			B string `json:"b"`
			A string `json:"a"`
		}](),
		"fields move into an embedded type": plant[base, embedding](),
		"a Go name changes": plant[a, struct {
			Other string `json:"a"`
		}](),
		"int is int64 here": plant[struct {
			A int `json:"a"`
		}, struct {
			A int64 `json:"a"`
		}](),
		"a list gets omitzero": plant[struct {
			A []string `json:"a"`
		}, struct {
			A []string `json:"a,omitzero"`
		}](),
		"omitempty becomes omitzero": plant[aMayB, struct {
			A string `json:"a"`
			B string `json:"b,omitzero"`
		}](),
		"what never travels is added": plant[a, struct {
			A string `json:"a"`
			B string `json:"-"`
			c string
		}](),
	}
}

// TestFieldCorpus checks that each planted change of a message is told, in each
// part it shows in, and nothing else is.
func TestFieldCorpus(t *testing.T) {
	t.Parallel()
	for name, p := range fieldCorpus() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ElementsMatch(t, p.want, told(p.was(t, text), p.is(t, text)))
		})
	}
}

// TestContractCorpus plants changes of methods, events and codes.
func TestContractCorpus(t *testing.T) {
	t.Parallel()
	type thing struct {
		A string `json:"a"`
	}
	key := port.Key(func(thing) string { return "" })
	sell := func(opts ...port.Option) port.Described { return port.Command[thing, thing]("shop.sell", opts...) }
	find := port.Query[thing, thing]("shop.find")
	was := shop[thing](t, text, sell(key, port.Deadline(5*time.Second)), find)
	for name, c := range map[string]struct {
		source  [2]string // what is replaced in the text
		methods []port.Described
		want    []string
	}{
		"nothing":                {methods: []port.Described{find, sell(key)}},
		"a method is removed":    {methods: []port.Described{sell(key)}, want: []string{"breaking method-removed shop.find"}},
		"a method is renamed":    {source: [2]string{"Find(", "Seek("}, methods: []port.Described{sell(key), port.Query[thing, thing]("shop.seek")}, want: []string{"breaking method-removed shop.find", "addition method-added shop.seek"}},
		"a query is a command":   {methods: []port.Described{sell(key), port.Command[thing, thing]("shop.find")}, want: []string{"breaking method-kind shop.find"}},
		"a new version":          {methods: []port.Described{sell(key, port.Version(2)), find}, want: []string{"breaking method-version shop.sell"}},
		"the key is gone":        {methods: []port.Described{sell(), find}, want: []string{"breaking key-removed shop.sell"}},
		"less time":              {methods: []port.Described{sell(key, port.Deadline(time.Second)), find}, want: []string{"caution deadline-shorter shop.sell"}},
		"more time":              {methods: []port.Described{sell(key, port.Deadline(time.Minute)), find}, want: []string{"addition deadline-longer shop.sell"}},
		"no bound":               {methods: []port.Described{sell(key, port.Deadline(0)), find}, want: []string{"addition deadline-longer shop.sell"}},
		"a code is not answered": {source: [2]string{"Refused (final), Unknown,", "Unknown,"}, want: []string{"breaking code-removed shop.sell"}},
		"a code is renamed":      {source: [2]string{`"shop.refused"`, `"shop.denied"`}, want: []string{"breaking code-removed shop.sell", "addition code-added shop.sell"}},
		"a code without method":  {source: [2]string{`"shop.unnamed"`, `"shop.nameless"`}, want: []string{"breaking code-removed shop.unnamed", "addition code-added shop.nameless"}},
		"a code of another kind": {source: [2]string{`"shop.unknown", fault.KindNotFound`, `"shop.unknown", fault.KindInvalid`}, want: []string{"breaking code-kind shop.unknown"}},
		"a code more":            {source: [2]string{"Codes: Unknown.", "Codes: Unknown, Refused."}, want: []string{"addition code-added shop.find"}},
		"other words":            {source: [2]string{"Sell sells.", "Sell is another sentence."}},
		"codes in other order":   {source: [2]string{"Refused (final), Unknown,", "Unknown, Refused,"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			methods := c.methods
			if methods == nil {
				methods = []port.Described{sell(key), find}
			}
			source := text
			if c.source[0] != "" {
				require.Contains(t, text, c.source[0])
				source = strings.Replace(text, c.source[0], c.source[1], 1)
			}
			require.ElementsMatch(t, c.want, told(was, shop[thing](t, source, methods...)))
		})
	}
}

// TestEventsCorpus plants changes of what is published.
func TestEventsCorpus(t *testing.T) {
	t.Parallel()
	was := shop[base](t, text)
	is := recorded(t, was)
	is.Events[0].Topic = "shop.other"
	require.Equal(t, []string{"breaking event-topic shop.sold"}, told(was, is))
	is.Events[0].Name = "shop.gone"
	require.Equal(t, []string{"breaking event-removed shop.sold", "addition event-added shop.gone"}, told(was, is))
	set := contract.Set{"shop": was}
	require.Equal(t, "module-removed", contract.Compare(set, contract.Set{}, users)[0].Name)
	require.Equal(t, []string{"till", "window (HTTP handlers)"}, contract.Compare(set, contract.Set{}, users)[0].Consumers)
	require.Equal(t, "module-added", contract.Compare(contract.Set{}, set, users)[0].Name)
}
