package crash

import (
	"context"
	"os"
	"path/filepath"
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

// few is how many points a small run tries, another choice each time.
const few = 12

// want is a point and a story that passes it.
type want struct {
	point string
	story story
}

// gallows are where shops are made to die.
type gallows struct {
	armed, record string // files of the crash points
	at            shoptest.Site
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
	plain := at // commands are of the ordinary binary, and pass no point
	r.at = at.With(crashpoint.Variable+"="+r.armed, crashpoint.RecordVariable+"="+r.record)
	r.at.Binary = binary
	r.serve(t)
	r.admin = r.now.LogIn(t, "chief@example.com", shoptest.Password)
	const onHand = 10_000
	r.admin.Do(t, 200, "PUT", "/stock/"+shoptest.Staple, shoptest.Object{"on_hand": onHand})

	told, wants := r.rehearse(t, plain)
	require.Greater(t, len(wants), 80, "too few points: is this the right binary?")
	dice.Shuffle(len(wants), func(i, j int) { wants[i], wants[j] = wants[j], wants[i] })
	if n := shoptest.Storm(few, len(wants)); n < len(wants) {
		wants = wants[:n]
	}
	r.starts = nil
	customers := r.now.Customers(t, len(wants))
	for i, w := range wants {
		tr := w.story.by(customers[i], r.admin)
		r.die(t, w, tr)
		r.serve(t)
		require.NoError(t, tr.tell(t.Context(), r.now.Shop), "after a death at %s", w.point)
		told = append(told, tr)
	}
	r.now.Site = plain
	r.now.Quiet(t)
	sold := int64(0)
	for _, tr := range told {
		sold += tr.judge(t, r.now)
		require.NoError(t, place(t.Context(), tr, r.now.Shop), "the same key once more")
	}
	r.now.Settles(t, shoptest.Staple, shoptest.Stock{OnHand: onHand - sold})
	r.now.Audited(t)
	t.Logf("%d points, a death at each; start after a death %s, at most %s", len(wants), median(r.starts), longest(r.starts))
}

// rehearse tells every story once and gives the points that each is the first to pass.
func (r *gallows) rehearse(t *testing.T, plain shoptest.Site) (told []*trial, wants []want) {
	t.Helper()
	customers := r.now.Customers(t, len(stories))
	seen := map[string]bool{}
	for i, s := range stories {
		tr := s.by(customers[i], r.admin)
		require.NoError(t, os.Truncate(r.record, 0))
		require.NoError(t, tr.tell(t.Context(), r.now.Shop))
		watched := *r.now
		watched.Site = plain
		watched.Quiet(t)
		raw, err := os.ReadFile(r.record)
		require.NoError(t, err)
		n := 0
		for point := range strings.Lines(string(raw)) {
			if point = strings.TrimSuffix(point, "\n"); !seen[point] {
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

// die tells the story until the process dies at the point, which must happen.
func (r *gallows) die(t *testing.T, w want, tr *trial) {
	t.Helper()
	require.NoError(t, os.Truncate(r.record, 0))
	require.NoError(t, os.WriteFile(r.armed, []byte(w.point), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), shoptest.Patience)
	defer cancel()
	told := tr.tell(ctx, r.now.Shop) // ends when the process does
	select {
	case <-r.now.Exited:
	case <-ctx.Done():
		require.Fail(t, "a point was not passed", "%s in the story %q of order %s, which came to step %d: %v", w.point, w.story.name, tr.order, tr.done, told)
	}
	raw, err := os.ReadFile(r.record)
	require.NoError(t, err)
	require.Contains(t, string(raw), "died "+w.point+"\n")
}
