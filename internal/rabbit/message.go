package rabbit

import (
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/banyan-tree/banyan/internal/port"
)

// request writes a call. Its time to live is what is left of the caller's
// deadline: nobody waits for the answer after that.
func request(m port.Message, correlation string, left time.Duration) amqp.Publishing {
	return amqp.Publishing{
		Headers: table(m.Header), ContentType: port.ContentType, Type: m.Method, Body: m.Body,
		CorrelationId: correlation, ReplyTo: replyTo, Expiration: milliseconds(left), DeliveryMode: amqp.Transient,
	}
}

// milliseconds of a time to live, rounded up: with 0 a message would be dropped at once.
func milliseconds(d time.Duration) string {
	return strconv.FormatInt(max(int64((d+time.Millisecond-1)/time.Millisecond), 1), 10)
}

// response writes a reply. It waits nowhere, so it does not expire.
func response(m port.Message, correlation string) amqp.Publishing {
	return amqp.Publishing{
		Headers: table(m.Header), ContentType: port.ContentType, Body: m.Body,
		CorrelationId: correlation, DeliveryMode: amqp.Transient,
	}
}

func table(header map[string]string) amqp.Table {
	t := make(amqp.Table, len(header))
	for k, v := range header {
		if k != port.HeaderContentType { // it is a property
			t[k] = v
		}
	}
	return t
}

// message reads a call or a reply. Headers that are no text are not ours.
func message(d *amqp.Delivery) port.Message {
	h := make(map[string]string, len(d.Headers)+1)
	for k, v := range d.Headers {
		if s, ok := v.(string); ok && !strings.HasPrefix(k, "x-") {
			h[k] = s
		}
	}
	h[port.HeaderContentType] = d.ContentType
	return port.Message{Method: d.Type, Header: h, Body: d.Body}
}
