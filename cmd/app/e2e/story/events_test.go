package story

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// recorded is an event of a log, as "app events list --json" prints it.
type recorded struct {
	ID, Type, Subject, Topic string
	Version                  int64 `json:"aggregateversion"`
	SentAt                   string
	Data                     any
}

// logs reads the logs of all modules to their beginning, oldest first.
func logs(t *testing.T, s *shoptest.Server) (all []recorded) {
	t.Helper()
	var on struct{ Sources []struct{ Module string } }
	s.JSON(t, &on, "events", "status", "--json")
	for _, source := range on.Sources {
		before := ""
		for {
			var page []recorded
			s.JSON(t, &page, "events", "list", "--json", "--from", source.Module, "--limit", "1000", "--before", before)
			if len(page) == 0 {
				break
			}
			for _, e := range page {
				require.NotEmpty(t, e.SentAt, "an event that nobody got: %+v", e)
			}
			all, before = append(all, page...), page[len(page)-1].ID
		}
	}
	require.NotEmpty(t, all)
	slices.SortFunc(all, func(a, b recorded) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// owns tells whether an event is about something of this chapter.
func (p *player) owns(e recorded, goods string) bool {
	if strings.HasPrefix(e.Subject, goods) {
		return true
	}
	if _, known := p.names.of[e.Subject]; known {
		return true
	}
	raw, _ := json.Marshal(e.Data) // it came as JSON
	for _, found := range uuid.FindAllString(string(raw), -1) {
		if _, known := p.names.of[found]; known {
			return true
		}
	}
	return false
}

// streams shows events by aggregate, each with its versions in order. No order is
// promised between two aggregates, and none is compared.
func (n *names) streams(events []recorded) []passage {
	streams := map[string][]recorded{}
	for _, e := range events {
		of := e.Topic + " " + e.Subject
		streams[of] = append(streams[of], e)
	}
	var out []passage
	for _, stream := range streams {
		slices.SortStableFunc(stream, func(a, b recorded) int { return cmp.Compare(a.Version, b.Version) })
		one := passage{head: "events of " + n.label(stream[0])}
		for _, e := range stream {
			one.lines = append(one.lines, fmt.Sprintf("v%d %s %s", e.Version, e.Type, n.asBlind(nil).json("id", e.Data)))
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b passage) int {
		return cmp.Or(strings.Compare(a.head, b.head), slices.Compare(a.lines, b.lines))
	})
	return out
}

// label names an aggregate, by what it is about where no answer ever showed it.
func (n *names) label(first recorded) string {
	noun, subject := first.Topic+" ", first.Subject
	if !uuid.MatchString(subject) {
		return noun + subject
	}
	if name, known := n.of[subject]; known {
		return noun + "<" + name + ">"
	}
	data, _ := first.Data.(map[string]any)
	for _, field := range []string{"order_id", "deposit_id", "user_id"} {
		if value, _ := data[field].(string); n.of[value] != "" {
			return noun + "of <" + n.of[value] + ">"
		}
	}
	return noun + "of nobody"
}

// ledger shows what the payment provider has for each order and deposit of a
// chapter, those included that no answer ever named.
func (p *player) ledger(t *testing.T, admin shoptest.Client, events []recorded) []passage {
	t.Helper()
	references := map[string]string{}
	for value, kind := range p.names.kinds {
		if kind == "order" || kind == "deposit" {
			references[value] = "<" + p.names.of[value] + ">"
		}
	}
	for _, e := range events {
		data, _ := e.Data.(map[string]any)
		if id, _ := data["deposit_id"].(string); id != "" && references[id] == "" {
			user, _ := data["user_id"].(string)
			references[id] = "a deposit of <" + p.names.of[user] + ">"
		}
	}
	var out []passage
	for id := range maps.Keys(references) {
		one := passage{head: "ledger for " + references[id]}
		for _, charge := range p.shop.Ledger(t, admin, id) {
			one.lines = append(one.lines, fmt.Sprintf("%s %d %s", charge.Status, charge.Amount.Amount, charge.Amount.Currency))
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b passage) int {
		return cmp.Or(strings.Compare(a.head, b.head), slices.Compare(a.lines, b.lines))
	})
	return out
}
