package crash

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
	"github.com/banyan-tree/banyan/internal/crashpoint"
)

// TestEveryPoint finds out which crash points each story passes, and then tells
// it once for each of them, with a death just there: before and after each
// commit, around each step of a saga, around what the relay delivers, and around
// what the provider is asked.
func TestEveryPoint(t *testing.T) {
	t.Parallel()
	binary := shoptest.Build(t, "faultpoints")
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		matrix(t, shoptest.NewSite(t, chief...), binary)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		if shoptest.Storm(0, 1) == 0 {
			t.Skip("on PostgreSQL only at full size: BANYAN_TEST_STORM=full")
		}
		matrix(t, shoptest.NewPostgresSite(t, chief...), binary)
	})
}

// few is at how many points a small run dies, another choice each time.
const few = 12

// want is a point and a story that passes it.
type want struct {
	point string
	story story
}

// gallows are where shops are made to die.
type gallows struct {
	armed, record string        // files of the crash points
	at, plain     shoptest.Site // plain passes no points: for commands beside the shop
	now           *shoptest.Server
	admin         shoptest.Client
	starts        []time.Duration
}

func (r *gallows) serve(t *testing.T) {
	t.Helper()
	require.NoError(t, os.WriteFile(r.armed, nil, 0o600))
	began := time.Now()
	r.now = shoptest.Serve(t, r.at)
	r.starts = append(r.starts, time.Since(began))
}

func matrix(t *testing.T, at shoptest.Site, binary string) {
	t.Helper()
	dice := chance(t)
	dir := t.TempDir()
	r := &gallows{armed: filepath.Join(dir, "armed"), record: filepath.Join(dir, "record")}
	r.plain = at
	r.at = at.With(crashpoint.Variable+"="+r.armed, crashpoint.RecordVariable+"="+r.record)
	r.at.Binary = binary
	r.serve(t)
	r.admin = r.now.LogIn(t, "chief@example.com", shoptest.Password)
	const onHand = 10_000
	r.admin.Do(t, 200, "PUT", "/stock/"+shoptest.Staple, shoptest.Object{"on_hand": onHand})

	told, wants := r.rehearse(t)
	complete(t, wants)
	dice.Shuffle(len(wants), func(i, j int) { wants[i], wants[j] = wants[j], wants[i] })
	// A small run has some to spare: a point that only slowness passes is not always passed again.
	need, most := shoptest.Storm(few, len(wants)), shoptest.Storm(few, max(1, len(wants)/20))
	wants = wants[:min(len(wants), need+most)]
	r.starts = nil
	var missed []string
	customers, deaths := r.now.Customers(t, len(wants)), 0
	for i, w := range wants {
		if deaths == need {
			break
		}
		tr := w.story.by(customers[i], r.admin)
		told = append(told, tr)
		if !r.die(t, w, tr) {
			missed = append(missed, w.point+" of "+w.story.name)
			require.LessOrEqual(t, len(missed), most, "points that were passed once and not again: %v", missed)
			continue
		}
		deaths++
		r.serve(t)
		require.NoError(t, tr.tell(t.Context(), r.now.Shop), "after a death at %s", w.point)
	}
	require.GreaterOrEqual(t, deaths, need-shoptest.Storm(0, len(missed)), "deaths, but for points that were passed once and not again: %v", missed)
	r.now.Site = r.plain
	r.now.Quiet(t)
	sold := int64(0)
	for _, tr := range told {
		sold += tr.judge(t, r.now)
		require.NoError(t, place(t.Context(), tr, r.now.Shop), "the same key once more")
	}
	r.now.Settles(t, shoptest.Staple, shoptest.Stock{OnHand: onHand - sold})
	r.now.Audited(t)
	t.Logf("%d deaths, each at another point; %d points were not passed again %v; start after a death %s, at most %s", deaths, len(missed), missed, median(r.starts), longest(r.starts))
}

// onceOnly is what a shop on PostgreSQL does a second time ten seconds after its very first
// start, and never again, whatever is told to it just then: TestFirstStart dies there.
const onceOnly = ":event.register<event.attend"

// rehearse tells every story once and gives the points that each is the first to pass.
func (r *gallows) rehearse(t *testing.T) (told []*trial, wants []want) {
	t.Helper()
	customers := r.now.Customers(t, len(stories))
	seen := map[string]bool{}
	for i, s := range stories {
		tr := s.by(customers[i], r.admin)
		require.NoError(t, os.Truncate(r.record, 0))
		require.NoError(t, tr.tell(t.Context(), r.now.Shop))
		watched := *r.now
		watched.Site = r.plain
		watched.Quiet(t)
		raw, err := os.ReadFile(r.record)
		require.NoError(t, err)
		n := 0
		for point := range strings.Lines(string(raw)) {
			if point = strings.TrimSuffix(point, "\n"); !seen[point] && !strings.HasSuffix(point, onceOnly) {
				seen[point] = true
				n++
				wants = append(wants, want{point, s})
			}
		}
		t.Logf("%s: %d new points", s.name, n)
		told = append(told, tr)
	}
	return told, wants
}

// checkout is where the steps of the saga are named.
const checkout = "../../../../modules/orders/internal/core/checkout.go"

var steps = regexp.MustCompile(`\{Name: "([^"]+)", Do: [^,}]+(, Undo: )?`)

// complete demands that there is a point before and after each step of a checkout, each
// undo of one, and the commits of each module that has a part in it.
func complete(t *testing.T, wants []want) {
	t.Helper()
	source, err := os.ReadFile(checkout)
	require.NoError(t, err)
	found := steps.FindAllStringSubmatch(string(source), -1)
	require.NotEmpty(t, found)
	require.Len(t, found, strings.Count(string(source), "Do: "), "steps in %s that are not recognised", checkout)
	var must []string
	for _, step := range found {
		must = append(must, step[1]+":before-step:", step[1]+":after-step:")
		if step[2] != "" {
			must = append(must, step[1]+"/undo:before-step:", step[1]+"/undo:after-step:")
		}
	}
	for _, module := range []string{"cart", "orders", "pricing", "inventory", "payments", "wallet", "shipping"} {
		must = append(must, module+":before-commit:", module+":after-commit:")
	}
	for _, point := range must {
		require.True(t, slices.ContainsFunc(wants, func(w want) bool { return strings.HasPrefix(w.point, point) }),
			"no story passes a point %s: a hook is missing, or a story that comes there", point)
	}
}

// quiets waits until the process died or all that the story left to be done is
// done, which it tells.
func (r *gallows) quiets(t *testing.T) bool {
	t.Helper()
	watched := *r.now
	watched.Site = r.plain
	const sure = 4 * time.Second // work is handed from one to the next, and some is done once a second
	var still time.Time          // since when
	quiet := false
	shoptest.Until(t, "the process dies or has nothing to do", func() bool {
		select {
		case <-r.now.Exited:
			return true
		default:
		}
		switch {
		case watched.UnderWay(t) != "":
			still = time.Time{}
		case still.IsZero():
			still = time.Now()
		default:
			quiet = time.Since(still) > sure
		}
		return quiet
	})
	return quiet
}

// dies tells whether the process, which no point can kill any more, was killed
// nevertheless: while it was looked at for the last time.
func (r *gallows) dies(t *testing.T) (dead bool) {
	t.Helper()
	shoptest.Until(t, "the process answers or is dead", func() bool {
		select {
		case <-r.now.Exited:
			dead = true
			return true
		default:
		}
		a, err := shoptest.NewClient(r.now.Ops).Try(t.Context(), http.MethodGet, "//health/live", nil)
		return err == nil && a.Status == http.StatusOK
	})
	return dead
}

// die tells the story until the process dies at the point. Some points depend on
// how long something takes, such as the extension of a claim: those are not always
// passed again. Then the story is told to its end, and die says false.
func (r *gallows) die(t *testing.T, w want, tr *trial) bool {
	t.Helper()
	require.NoError(t, os.Truncate(r.record, 0))
	require.NoError(t, os.WriteFile(r.armed, []byte(w.point), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), shoptest.Patience)
	defer cancel()
	told := tr.tell(ctx, r.now.Shop) // ends when the process does
	if told == nil && r.quiets(t) {
		require.NoError(t, os.WriteFile(r.armed, nil, 0o600))
		if !r.dies(t) {
			return false
		}
	}
	select {
	case <-r.now.Exited:
	case <-ctx.Done():
		require.Fail(t, "neither told nor dead", "%s in the story %q of order %s, which came to step %d: %v", w.point, w.story.name, tr.order, tr.done, told)
	}
	raw, err := os.ReadFile(r.record)
	require.NoError(t, err)
	require.Contains(t, string(raw), "died "+w.point+"\n")
	return true
}
