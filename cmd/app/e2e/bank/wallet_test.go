package bank

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// purse is one wallet with what its movers were told.
type purse struct {
	client shoptest.Client

	mu       sync.Mutex
	in, out  int64    // acknowledged
	deposits []string // ids
	refused  int      // withdrawals for which there was not enough
}

type amount struct{ Amount int64 }

type entry struct {
	Version                    int64
	Type                       string
	At                         time.Time
	Amount, Balance, Available amount
	Reference                  string
}

// balance is what GET /wallet says.
type balance struct {
	Balance, Available amount
	Version            int64
}

// doors gives the owner of a wallet at the next of the doors, of which some may be dead.
type doors func() shoptest.Client

// only is the one door there is.
func only(c shoptest.Client) doors { return func() shoptest.Client { return c } }

// ask reads at one door after the other, as often as it takes: who is told nothing
// asks again.
func ask(ctx context.Context, at doors, path string, into any) error {
	for {
		a, err := at().Try(ctx, http.MethodGet, path, nil)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && a.Status == http.StatusOK:
			return json.Unmarshal([]byte(a.Raw), into)
		case err == nil && a.Status != http.StatusServiceUnavailable && a.Status != http.StatusGatewayTimeout && a.Status != http.StatusTooManyRequests:
			return fmt.Errorf("GET %s: %d %s", path, a.Status, a.Raw)
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// events reads the stream up to a version.
func events(ctx context.Context, at doors, upTo int64) ([]entry, error) {
	var all []entry
	for path := "/wallet/events?limit=100"; ; {
		var page struct {
			Items      []entry
			NextCursor *string `json:"next_cursor"`
		}
		if err := ask(ctx, at, path, &page); err != nil {
			return nil, err
		}
		for _, e := range page.Items {
			if e.Version <= upTo {
				all = append(all, e)
			}
		}
		if page.NextCursor == nil || int64(len(all)) >= upTo {
			return all, nil
		}
		path = "/wallet/events?limit=100&cursor=" + url.QueryEscape(*page.NextCursor)
	}
}

// check reads a wallet and says what does not add up: the balance at a version is
// the sum of the events up to it, no version is missing or there twice, time never
// goes back, no balance was ever below zero, and the past is what it was.
func (p *purse) check(ctx context.Context, at doors, pick func(n int) int) error {
	var b balance
	if err := ask(ctx, at, "/wallet", &b); err != nil {
		return err
	}
	if b.Balance.Amount < 0 || b.Available.Amount < 0 || b.Available.Amount > b.Balance.Amount {
		return fmt.Errorf("a wallet has %+v", b)
	}
	all, err := events(ctx, at, b.Version)
	if err != nil {
		return err
	}
	if int64(len(all)) != b.Version {
		return fmt.Errorf("the wallet is at version %d, its stream has %d events up to it", b.Version, len(all))
	}
	if err := add(all, b); err != nil || len(all) == 0 {
		return err
	}
	i := pick(len(all))
	for i+1 < len(all) && all[i+1].At.Equal(all[i].At) {
		i++
	}
	var past balance
	if err := ask(ctx, at, "/wallet?at="+url.QueryEscape(all[i].At.Format(time.RFC3339Nano)), &past); err != nil {
		return err
	}
	if past.Version < all[i].Version || past.Version == all[i].Version && past.Balance != all[i].Balance {
		return fmt.Errorf("at %s the wallet was %+v, its stream says %+v", all[i].At, past, all[i])
	}
	return statement(ctx, at, all[i].At)
}

// statement reads one from an instant on: what moved is what lies between its ends,
// whether or not it is behind.
func statement(ctx context.Context, at doors, from time.Time) error {
	var st struct {
		Opening, Closing amount
		Items            []entry
		NextCursor       *string `json:"next_cursor"`
	}
	err := ask(ctx, at, "/wallet/statement?limit=100&until=2100-01-01T00:00:00Z&from="+url.QueryEscape(from.Format(time.RFC3339Nano)), &st)
	if err != nil || st.NextCursor != nil {
		return err
	}
	sum := st.Opening.Amount
	for _, e := range st.Items {
		sum += e.moved()
	}
	if sum != st.Closing.Amount {
		return fmt.Errorf("a statement from %s opens with %d and closes with %d, what moved makes that %d: %+v", from, st.Opening.Amount, st.Closing.Amount, sum, st.Items)
	}
	return nil
}

// moved is what an event adds to the balance.
func (e entry) moved() int64 {
	switch e.Type {
	case "deposited", "refunded", "cashback":
		return e.Amount.Amount
	case "withdrawn", "hold_captured":
		return -e.Amount.Amount
	}
	return 0
}

// add adds a stream up.
func add(all []entry, end balance) error {
	var sum, held int64
	for i, e := range all {
		sum += e.moved()
		switch e.Type {
		case "held":
			held += e.Amount.Amount
		case "hold_released", "hold_captured":
			held -= e.Amount.Amount
		}
		switch {
		case e.Version != int64(i)+1:
			return fmt.Errorf("version %d is in the place of %d", e.Version, i+1)
		case e.Balance.Amount != sum || e.Available.Amount != sum-held:
			return fmt.Errorf("after version %d the stream says %+v, the events add up to %d of which %d are held", e.Version, e, sum, held)
		case sum < 0 || sum-held < 0:
			return fmt.Errorf("below zero at version %d: %+v", e.Version, e)
		case i > 0 && e.At.Before(all[i-1].At):
			return fmt.Errorf("version %d is older than the one before", e.Version)
		}
	}
	if end.Balance.Amount != sum || end.Available.Amount != sum-held {
		return fmt.Errorf("the wallet has %+v, its events add up to %d of which %d are held", end, sum, held)
	}
	return nil
}
