package rabbit

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/port"
)

// FuzzDelivery: whatever properties and headers a message comes with, it is read as
// what it is, and can be shown to a person where it was put aside. Headers are JSON
// here; {"unix": 1} stands for a time.
func FuzzDelivery(f *testing.F) {
	f.Fuzz(func(t *testing.T, contentType, kind, id, correlated, exchange, topic, user string, at int64, headers, body []byte) {
		var given map[string]any
		_ = json.Unmarshal(headers, &given) // what is no object is no headers
		table, _ := onWire(given).(amqp.Table)
		d := amqp.Delivery{
			Headers: table, ContentType: contentType, Type: kind, MessageId: id, CorrelationId: correlated,
			Exchange: exchange, RoutingKey: topic, UserId: user, Timestamp: time.Unix(at, 0), Body: body,
		}

		m := message(&d)
		require.Equal(t, kind, m.Method)
		require.Equal(t, contentType, m.Header[port.HeaderContentType])
		for name, value := range m.Header {
			if name != port.HeaderContentType {
				require.Equal(t, table[name], value, "only texts are headers of ours")
				require.False(t, strings.HasPrefix(name, "x-"), "what the broker notes is not")
			}
		}
		_, _ = m.Deadline()
		back := response(m, correlated)
		again := message(&amqp.Delivery{Headers: back.Headers, ContentType: contentType, Type: kind, Body: back.Body})
		require.Equal(t, m, again, "it stays the same when it travels on")

		w := newWaiting()
		mine, got := w.add()
		number, err := strconv.ParseUint(correlated, 36, 64)
		require.Equal(t, err == nil && number == mine, w.resolve(correlated, answer{reply: d}), "an answer is for who asked")
		require.False(t, w.resolve(correlated, answer{reply: d}), "there is one answer")
		require.LessOrEqual(t, len(got), 1)

		b := &Broker{user: "shop"}
		l := b.deadLetter("orders", &d)
		require.NotEmpty(t, l.ID)
		require.NotEmpty(t, l.Reason)
		require.Equal(t, string(body), l.Body)
		_, err = json.Marshal(l)
		require.NoError(t, err, "or nobody could list the dead letters")

		if e, err := event.Decode(body); err == nil {
			if b.genuine(&d, e) == nil && user != b.user {
				require.True(t, published(&d, e))
			}
			if published(&d, e) {
				require.Equal(t, EventsExchange, exchange)
				require.Equal(t, topic, e.Topic)
				require.True(t, strings.HasPrefix(topic, e.Source+"."), "modules publish topics of their own")
			}
		}
	})
}

// onWire is a value of JSON as the broker would send it.
func onWire(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if seconds, ok := v["unix"].(float64); ok && len(v) == 1 {
			return time.Unix(int64(seconds), 0)
		}
		table := amqp.Table{}
		for name, value := range v {
			table[name] = onWire(value)
		}
		return table
	case []any:
		list := make([]any, len(v))
		for i, value := range v {
			list[i] = onWire(value)
		}
		return list
	}
	return v
}
