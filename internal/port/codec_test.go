package port_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
)

type line struct {
	SKU      string      `json:"sku"`
	Quantity int64       `json:"quantity"`
	Price    money.Money `json:"price"`
}

type note struct {
	By string `json:"by"`
}

type basket struct {
	note
	ID      string            `json:"id"`
	Lines   []line            `json:"lines"`
	Note    string            `json:"note,omitempty"`
	Gift    *line             `json:"gift"`
	By      map[string]line   `json:"by_sku"`
	Until   time.Time         `json:"until,omitzero"`
	Labels  map[string]string `json:"labels,omitzero"`
	Pair    [2]line           `json:"pair,omitzero"`
	Raw     json.RawMessage   `json:"raw"`
	private int
}

var _ = basket{private: 1} // there to be left out

func TestDecodeRule(t *testing.T) {
	t.Parallel()
	const good = `{"sku":"a","quantity":1,"price":{"amount":1,"currency":"USD"}}`
	for _, c := range []struct{ name, body, missing string }{
		{"whole", `{"by":"x","id":"1","lines":[` + good + `],"gift":` + good + `,"by_sku":{"a":` + good + `}}`, ""},
		{"least", `{"by":"x","id":"1"}`, ""},
		{"unknown fields", `{"by":"x","id":"1","new":{"deep":[1,{"a":null}]},"other":"\"}]"}`, ""},
		{"nulls where they may be", `{"by":"x","id":"1","lines":null,"gift":null,"by_sku":null,"note":null,"until":null,"raw":null}`, ""},
		{"spaces", " {\n \"by\" : \"x\" , \"id\"\t: \"1\" , \"lines\" : [ ] }\r\n", ""},
		{"escaped name", `{"\u0069d":"1","by":"x"}`, ""},
		{"no id", `{"by":"x"}`, "/id"},
		{"null id", `{"by":"x","id":null}`, "/id"},
		{"embedded", `{"id":"1"}`, "/by"},
		{"in a slice", `{"by":"x","id":"1","lines":[` + good + `,{"sku":"b","price":{"amount":1,"currency":"USD"}}]}`, "/lines/1/quantity"},
		{"below that", `{"by":"x","id":"1","lines":[{"sku":"b","quantity":1,"price":{"amount":1}}]}`, "/lines/0/price/currency"},
		{"null in a slice", `{"by":"x","id":"1","lines":[null]}`, "/lines/0"},
		{"in a map", `{"by":"x","id":"1","by_sku":{"a":{}}}`, "/by_sku/a/sku"},
		{"behind a pointer", `{"by":"x","id":"1","gift":{}}`, "/gift/sku"},
		{"in an optional array", `{"by":"x","id":"1","pair":[` + good + `,{}]}`, "/pair/1/sku"},
		{"null for all", `null`, "/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var b basket
			err := port.Decode([]byte(c.body), &b)
			if c.missing == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, `"`+c.missing+`" is missing`)
		})
	}
}

func TestDecodeKeepsDigitsOfAny(t *testing.T) {
	t.Parallel()
	var v map[string]any
	require.NoError(t, port.Decode([]byte(`{"n":9007199254740993}`), &v))
	require.Equal(t, json.Number("9007199254740993"), v["n"])
}

type tree struct {
	Name     string `json:"name"`
	Children []tree `json:"children"`
}

func TestTypesThatContainThemselves(t *testing.T) {
	t.Parallel()
	var v tree
	require.NoError(t, port.Decode([]byte(`{"name":"a","children":[{"name":"b","children":null}]}`), &v))
	require.ErrorContains(t, port.Decode([]byte(`{"name":"a","children":[{"children":[]}]}`), &v), "/children/0/name")
}
