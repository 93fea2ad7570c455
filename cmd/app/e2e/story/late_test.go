package story

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// busy is a shop that decides about its one order when that is looked at for the
// second time; one that is not late does so at once.
type busy struct {
	late  bool
	loses bool // the first answer of a key comes too late

	mu    sync.Mutex
	first map[string]string // the answer that a key got, without the mark of a repeat
	looks int               // since something was asked for
	state string            // of the order once it is decided
}

func (b *busy) order(status, shipment string) string {
	return fmt.Sprintf(`{"id":"00000000-0000-4000-8000-000000000001","status":%q,"shipment_id":%q}`, status, shipment)
}

func (b *busy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.Method == http.MethodGet {
		b.looks++
		if b.late && b.looks < 2 {
			_, _ = fmt.Fprint(w, b.order("pending", ""))
		} else {
			_, _ = fmt.Fprint(w, b.order(b.state, "00000000-0000-4000-8000-000000000002"))
		}
		return
	}
	key, shipment, done := r.URL.Path+r.Header.Get("Idempotency-Key"), "", http.StatusCreated
	becomes := "confirmed"
	if r.URL.Path != "/api/v1/orders" {
		becomes, shipment, done = "cancelled", "00000000-0000-4000-8000-000000000002", http.StatusOK
	}
	status, body := done, b.order(becomes, shipment)
	if b.late {
		status, body = http.StatusAccepted, b.order("pending", shipment)
	}
	if kept, again := b.first[key]; again {
		body = kept
		w.Header().Set("Idempotency-Replayed", "true")
	} else {
		b.looks, b.state = 0, becomes
		b.first[key] = body
		if b.loses {
			w.WriteHeader(http.StatusGatewayTimeout)
			return
		}
	}
	if prefer := r.Header.Get("Prefer"); prefer != "" {
		w.Header().Set("Preference-Applied", prefer)
	} else if done == http.StatusCreated {
		status = http.StatusAccepted // who does not wait
	}
	if status != http.StatusOK {
		w.Header().Set("Location", "/api/v1/orders/00000000-0000-4000-8000-000000000001")
	}
	w.WriteHeader(status)
	_, _ = fmt.Fprint(w, body)
}

// The answer of a shop that is late stays what it was, for whoever repeats the key.
// One that is too late is lost, and had by a repeat. The story must be the same.
func TestLateDecisions(t *testing.T) {
	t.Parallel()
	tell := func(late, loses bool) []passage {
		shop := httptest.NewServer(&busy{late: late, loses: loses, first: map[string]string{}})
		t.Cleanup(shop.Close)
		w := &writer{slug: "c00"}
		w.orders("", "twice", "tok_visa").with("Prefer", patient)
		w.orders("", "twice", "tok_visa").with("Prefer", patient)
		w.orders("", "twice", "tok_visa")
		w.race([]string{"first"}, w.racing(""))
		w.cancels("", "twice")
		w.cancels("", "twice")
		w.orders("", "twice", "tok_visa").with("Prefer", patient)
		_, told := play(t, &shoptest.Server{Shop: shop.URL}, "", chapter{steps: w.steps})
		return told.steps
	}
	punctual := tell(false, false)
	require.Equal(t, punctual, tell(true, false))
	require.Equal(t, punctual, tell(false, true))
	require.Equal(t, punctual, tell(true, true))
	require.Contains(t, punctual[1].lines[0], `201 Location=/api/v1/orders/<twice> Idempotency-Replayed=true Preference-Applied=wait=10`)
	require.Contains(t, punctual[4].lines[0], `200 {"id":"<twice>","shipment_id":"`)
}
