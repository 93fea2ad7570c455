package hostile

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// mostResident is how much more memory the process may have of the system after all
// that, in bytes: it was 6 to 93 MiB at the small size.
const mostResident = 256 << 20

// TestEveryRouteRefusesWhatIsWrong sends every route of the served document what
// it must refuse, and then what only looks wrong. Nothing is answered as a fault
// of ours, nothing tells of the inside, all is in the document, refused requests
// change nothing, and the shop is as well afterwards as before. PostgreSQL and SQLite
// do not take offence at the same: bad UTF-8, NUL and large numbers go to both.
func TestEveryRouteRefusesWhatIsWrong(t *testing.T) {
	t.Parallel()
	shoptest.OnEach(t, refusesWhatIsWrong)
}

func refusesWhatIsWrong(t *testing.T, at shoptest.Site) {
	w := worldOf(t, shoptest.Serve(t, at))
	all := routes(t, w.Server)
	dice := rand.New(rand.NewPCG(shoptest.Seed(t), 0))
	var refused, odd []request
	for _, r := range all {
		base := w.example(t, r)
		if schema := r.body(); schema != nil {
			require.Empty(t, untried(schema, base.tree, ""), "%s: give each field a value in the example, or nothing is tried in its place", r)
		}
		for _, spoil := range []func(request) (refused, odd []request){spoilings, misdirections, headers} {
			bad, strange := spoil(base)
			inOrder(bad)
			inOrder(strange)
			refused, odd = append(refused, bad...), append(odd, strange...)
		}
		refused = append(refused, otherMethods(base, all)...)
	}
	few := 1
	if at.Setting("BANYAN_DATABASE_URL") != "" { // most of it never comes to the database
		few = shoptest.Storm(3, 1)
	}
	odd = thinned(odd, few*shoptest.Storm(6, 1), dice)
	refused = thinned(refused, few*shoptest.Storm(2, 1), dice)

	warm := newTally()
	w.sendAll(t, warm, thinned(refused, 10, dice), w.actors()[:1])
	before, memory, resident := w.snapshot(t), w.memory(t), w.resident(t)

	c := newTally()
	w.sendAll(t, c, refused, w.actors())
	require.Equal(t, before, w.snapshot(t), "a refused request changed something")
	for _, status := range []int{400, 401, 403, 405, 413, 422} {
		require.Positive(t, c.statuses[status], "no answer was %d: what is tested?", status)
	}
	require.Len(t, c.routes, len(all), "some routes were not asked")
	require.LessOrEqual(t, c.unavailable(), int(c.sent.Load())/20)

	o := newTally()
	w.sendAll(t, o, odd, w.actors())
	require.Positive(t, o.statuses[http.StatusOK])
	require.Positive(t, o.statuses[http.StatusNotFound])
	require.LessOrEqual(t, o.unavailable(), int(o.sent.Load())/20)

	after, residentAfter := w.memory(t), w.resident(t)
	require.LessOrEqual(t, after, memory+memory/2+32<<20, "the heap has grown from %d bytes", memory)
	require.LessOrEqual(t, residentAfter, resident+mostResident, "what the process holds has grown from %d bytes", resident)
	w.well(t)
	t.Logf("%d routes; %d requests to be refused, answered %v; %d odd ones, answered %v; heap %d MB, then %d MB; resident %d MB, then %d MB",
		len(all), c.sent.Load(), c.statuses, o.sent.Load(), o.statuses, memory>>20, after>>20, resident>>20, residentAfter>>20)
}

// inOrder gives the spoilt requests of a route an order of their own, which those of a
// map do not have: the same seed must choose the same ones.
func inOrder(list []request) {
	slices.SortStableFunc(list, func(a, b request) int { return strings.Compare(a.what, b.what) })
}

// thinned keeps every n-th, from a random one of the first n on: so that each has its
// turn where not all are sent.
func thinned(list []request, n int, dice *rand.Rand) []request {
	var out []request
	for i := dice.IntN(n); i < len(list); i += n {
		out = append(out, list[i])
	}
	return out
}
