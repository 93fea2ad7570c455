package story

import (
	"cmp"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// told is what became of a chapter, so that it can be compared: a line for who asks
// what and one for each answer, then the events and the provider's ledger.
type told struct {
	title string
	steps []passage
	after []passage
}

// passage is a heading and what stands below it.
type passage struct {
	head  string
	lines []string
}

// player plays one chapter to a shop.
type player struct {
	shop  *shoptest.Server
	names *names
	vars  map[string]string
	late  map[string]shoptest.Answer // orders that were not decided in time, once they were, by key
	given map[string]bool            // keyed requests of which an answer was given that is no replay
}

func play(t *testing.T, s *shoptest.Server, password string, c chapter) (*player, told) {
	t.Helper()
	p := &player{shop: s, names: newNames(), vars: map[string]string{"admin-password": password}, late: map[string]shoptest.Answer{}, given: map[string]bool{}}
	out := told{title: c.title}
	for _, st := range c.steps {
		out.steps = append(out.steps, passage{head: st.head(), lines: p.step(t, st)})
	}
	return p, out
}

func (s step) head() string {
	switch {
	case len(s.Race) > 0:
		return fmt.Sprintf("%d at once: %s", len(s.Race), s.Race[0].head())
	case len(s.App) > 0:
		return "app " + strings.Join(s.App, " ")
	}
	who := s.As
	if who == "" {
		who = "nobody"
	}
	return who + " " + s.Do
}

func (p *player) step(t *testing.T, s step) []string {
	t.Helper()
	switch {
	case len(s.Race) > 0:
		return p.race(t, s)
	case len(s.App) > 0:
		args := make([]string, len(s.App))
		for i, arg := range s.App {
			args[i] = p.fill(t, arg)
		}
		r := p.shop.App(t, args...)
		return []string{fmt.Sprintf("exit %d %s", r.Code, p.names.text("", "id", strings.TrimSpace(r.Stdout)))}
	}
	a := p.decided(t, s, p.ask(t, s))
	p.keep(t, s, "", a)
	return []string{p.names.answer(s, a)}
}

var placeholder = regexp.MustCompile(`\{[a-z][a-z0-9.-]*\}`)

// fill puts what was kept into a text.
func (p *player) fill(t *testing.T, text string) string {
	t.Helper()
	return placeholder.ReplaceAllStringFunc(text, func(found string) string {
		value, known := p.vars[strings.Trim(found, "{}")]
		require.True(t, known, "nothing was kept as %s", found)
		return value
	})
}

func (p *player) fillAll(t *testing.T, v any) any {
	t.Helper()
	switch v := v.(type) {
	case string:
		return p.fill(t, v)
	case map[string]any:
		out := map[string]any{}
		for key := range v {
			out[key] = p.fillAll(t, v[key])
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = p.fillAll(t, v[i])
		}
		return out
	}
	return v
}

// patient is who waits for the decision as long as the shop lets one wait.
const patient = "wait=10"

// client is who asks in a step.
func (p *player) client(t *testing.T, s step) shoptest.Client {
	t.Helper()
	c := p.shop.Anyone()
	if s.Ops {
		c = shoptest.NewClient(p.shop.Ops)
	}
	if s.As != "" {
		c = c.With("Authorization", "Bearer "+p.fill(t, "{"+s.As+"}"))
	}
	return c
}

// request makes ready what a step asks.
func (p *player) request(t *testing.T, s step) func() (shoptest.Answer, error) {
	t.Helper()
	c := p.client(t, s)
	if s.Key != "" {
		c = c.With("Idempotency-Key", p.fill(t, s.Key))
	}
	for name, value := range s.Headers {
		c = c.With(name, p.fill(t, value))
	}
	var body any
	switch {
	case s.Raw != "":
		body = s.Raw
	case s.Body != nil:
		body = p.fillAll(t, s.Body)
	}
	method, path, _ := strings.Cut(s.Do, " ")
	path = p.fill(t, path)
	return func() (shoptest.Answer, error) { return c.Try(t.Context(), method, path, body) }
}

// decided gives an answer as it is where the shop decides in time. On a busy machine
// it may not: then it says 202 with the order as it was, and so it does to whoever
// repeats the key. What was decided is seen in the order.
func (p *player) decided(t *testing.T, s step, a shoptest.Answer) shoptest.Answer {
	t.Helper()
	if a.Status != http.StatusAccepted {
		return a
	}
	switch c := p.client(t, s); {
	case s.Do == "POST /orders":
		key, waits := p.fill(t, s.Key), s.Headers["Prefer"] == patient
		order, known := p.late[key]
		if !known && !waits {
			return a // nobody waited for this one
		}
		if !known {
			order = c.Decided(t, a.Text("id"))
			order.JSON.(object)["shipment_id"] = "" // it comes after the decision
			p.late[key] = order
		}
		if a.JSON = order.JSON; waits {
			a.Status = http.StatusCreated
		}
	case strings.HasSuffix(s.Do, "/cancel"):
		a.JSON, a.Status = c.Reaches(t, "/orders/"+a.Text("id"), "cancelled").JSON, http.StatusOK
		a.Header.Del("Location")
	}
	return a
}

// leftOut is what a busy shop leaves out of a product where pricing or inventory do
// not answer in time: it is asked again, unless there is no price at all.
var leftOut = regexp.MustCompile(`"(price|available)":null`)

// ask asks once, or until the answer is what the step waits for. The last answer is
// the step's. A shop that was late is asked again, where that is the same request.
func (p *player) ask(t *testing.T, s step) (a shoptest.Answer) {
	t.Helper()
	send := p.request(t, s)
	if len(s.Until) == 0 {
		a, lost, err := s.patiently(t, send)
		for try := 1; err == nil && try < 4 && strings.HasPrefix(s.Do, "GET ") && leftOut.MatchString(a.Raw); try++ {
			shoptest.Pause(t, time.Duration(try)*100*time.Millisecond)
			a, err = send()
		}
		require.NoError(t, err, "%s", s.head())
		p.unmark(t, []step{s}, []shoptest.Answer{a}, []bool{lost})
		return a
	}
	defer func() {
		if t.Failed() { // only then it is of use
			t.Logf("%s was last answered %d %s", s.head(), a.Status, a.Raw)
		}
	}()
	shoptest.Until(t, fmt.Sprintf("%s has %v", s.head(), s.Until), func() bool {
		var err error
		a, err = send()
		require.NoError(t, err, "%s", s.head())
		return holds(s.Until, a)
	})
	return a
}

// patiently sends until there is an answer other than "later". lost tells that the shop
// was late once, and may have done by then what was asked.
func (s step) patiently(t *testing.T, send func() (shoptest.Answer, error)) (a shoptest.Answer, lost bool, err error) {
	same := s.Key != "" || !strings.HasPrefix(s.Do, "POST ")
	for until := time.Now().Add(shoptest.Patience); ; shoptest.Pause(t, 50*time.Millisecond) {
		a, err = send()
		if err != nil || !same || !shoptest.Later(a) || time.Now().After(until) {
			return a, lost, err
		}
		lost = lost || a.Status == http.StatusGatewayTimeout
	}
}

// unmark takes the mark of a replay from an answer that nobody had before: what was
// first given came too late. One answer of a key has no mark.
func (p *player) unmark(t *testing.T, steps []step, answers []shoptest.Answer, lost []bool) {
	t.Helper()
	const mark = "Idempotency-Replayed"
	key := func(s step) string { return s.As + " " + p.fill(t, s.Do) + " " + p.fill(t, s.Key) }
	for i, s := range steps {
		p.given[key(s)] = p.given[key(s)] || answers[i].Header.Get(mark) == ""
	}
	for i, s := range steps {
		if lost[i] && !p.given[key(s)] {
			answers[i].Header.Del(mark)
			p.given[key(s)] = true
		}
	}
}

func holds(until map[string]any, a shoptest.Answer) bool {
	for path, want := range until {
		got := a.At(path)
		text, _ := want.(string)
		switch {
		case text == "*":
			if got == nil || got == "" {
				return false
			}
		case strings.HasPrefix(text, "!"):
			if got == nil || got == text[1:] {
				return false
			}
		case !reflect.DeepEqual(got, want):
			return false
		}
	}
	return true
}

// keep takes down what later steps need, under names of this actor.
func (p *player) keep(t *testing.T, s step, actor string, a shoptest.Answer) {
	t.Helper()
	for name, from := range s.Keep {
		value := a.Text(from)
		if header, is := strings.CutPrefix(from, "header "); is {
			value = a.Header.Get(header)
		}
		require.NotEmpty(t, value, "there is no %s to keep as %s in the answer of %s: %d %s", from, name, s.head(), a.Status, a.Raw)
		if actor != "" {
			name = actor + "." + name
		}
		p.vars[name] = value
		if _, named := p.names.of[value]; named {
			continue // two names for one thing: the first stays
		}
		kind := name
		if from == "id" {
			_, path, _ := strings.Cut(s.Do, " ")
			kind = nounOf(path)
		}
		p.names.know(value, name, kind)
	}
}

// shown are the headers that are compared, too.
var shown = []string{"Location", "Etag", "Idempotency-Replayed", "Preference-Applied", "Www-Authenticate", "X-Cart-Token", "Cache-Control", "Allow", "Vary"}

// answer shows an answer as it is compared.
func (n *names) answer(s step, a shoptest.Answer) string {
	_, path, _ := strings.Cut(s.Do, " ")
	out := fmt.Sprint(a.Status)
	media := a.Header.Get("Content-Type")
	if usual := map[bool]string{true: "application/problem+json", false: "application/json"}[a.Status >= 400]; media != usual {
		out += " " + media
	}
	for _, name := range shown {
		if value := a.Header.Get(name); value != "" && value != "no-store" {
			out += fmt.Sprintf(" %s=%s", name, n.text(strings.ToLower(name), nounOf(path), value))
		}
	}
	if a.Header.Get("Retry-After") != "" {
		out += " Retry-After"
	}
	switch {
	case a.JSON != nil:
		out += " " + n.json(nounOf(path), a.JSON)
	case a.Raw != "":
		out += fmt.Sprintf(" %q", n.text("", nounOf(path), a.Raw))
	}
	return out
}

// race asks several at once. Who came off how is not the same each time, but how
// many did is: the racers are ranked by their answers and named by their rank.
func (p *player) race(t *testing.T, s step) []string {
	t.Helper()
	answers := make([]shoptest.Answer, len(s.Race))
	errs, lost := make([]error, len(s.Race)), make([]bool, len(s.Race))
	sends := make([]func() (shoptest.Answer, error), len(s.Race))
	for i := range s.Race {
		sends[i] = p.request(t, s.Race[i])
	}
	start, done := make(chan struct{}), make(chan struct{})
	for i, send := range sends {
		go func() {
			defer func() { done <- struct{}{} }()
			<-start
			answers[i], lost[i], errs[i] = s.Race[i].patiently(t, send) // the same request under way is no outcome
		}()
	}
	close(start)
	for range sends {
		<-done
	}
	var actors []string
	for i := range s.Race {
		require.NoError(t, errs[i], "%s", s.Race[i].head())
	}
	p.unmark(t, s.Race, answers, lost)
	for i := range s.Race {
		answers[i] = p.decided(t, s.Race[i], answers[i])
		actors = append(actors, s.Race[i].As)
	}
	if len(s.Rank) == 0 {
		actors = nil // all are one
	}
	blind := p.names.asBlind(actors)
	order := make([]int, len(answers))
	texts := make([]string, len(answers))
	for i := range order {
		order[i], texts[i] = i, blind.answer(s.Race[i], answers[i])
	}
	slices.SortStableFunc(order, func(a, b int) int { // "confirmed" comes before "rejected"
		return cmp.Or(strings.Compare(answers[a].Text("status"), answers[b].Text("status")), strings.Compare(texts[a], texts[b]))
	})
	return p.ranked(t, s, order, answers, texts)
}

// ranked names the racers and what they got, and shows each outcome once.
func (p *player) ranked(t *testing.T, s step, order []int, answers []shoptest.Answer, texts []string) (lines []string) {
	t.Helper()
	for rank := range s.Rank {
		from, to := s.Race[order[rank]].As, s.Rank[rank]
		p.names.rename(from, to)
		for name, value := range p.vars {
			if belongs(name, from) {
				p.vars[to+strings.TrimPrefix(name, from)] = value
			}
		}
	}
	for from := 0; from < len(order); {
		to := from + 1
		for to < len(order) && texts[order[to]] == texts[order[from]] {
			to++
		}
		shown, before := "", p.names
		for rank := from; rank < to; rank++ {
			i, actor := order[rank], ""
			if len(s.Rank) > 0 {
				actor = s.Rank[rank]
			}
			// Equal outcomes share their names: nobody can tell them apart.
			each := before.fork()
			p.names = each
			p.keep(t, s.Race[i], actor, answers[i])
			shown = each.answer(s.Race[i], answers[i])
			for value, name := range each.of {
				if _, had := before.of[value]; !had {
					before.know(value, name, each.kinds[value])
				}
			}
			if rank == to-1 {
				before.count = each.count
			}
		}
		p.names = before
		lines = append(lines, fmt.Sprintf("%d × %s", to-from, shown))
		from = to
	}
	return lines
}
