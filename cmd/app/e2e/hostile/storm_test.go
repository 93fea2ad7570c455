package hostile

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// mostResident is how much more memory the process may have of the system after all
// that, in bytes.
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
	var refused, odd []request
	for _, r := range all {
		base := w.example(t, r)
		for _, spoil := range []func(request) (refused, odd []request){spoilings, misdirections, headers} {
			bad, strange := spoil(base)
			refused, odd = append(refused, bad...), append(odd, strange...)
		}
		refused = append(refused, otherMethods(base, all)...)
	}
	few := 1
	if at.Setting("BANYAN_DATABASE_URL") != "" { // most of it never comes to the database
		few = shoptest.Storm(3, 1)
	}
	odd = thinned(odd, few*shoptest.Storm(6, 1))
	refused = thinned(refused, few*shoptest.Storm(2, 1))

	warm := newTally()
	w.sendAll(t, warm, thinned(refused, 10), w.actors()[:1])
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

// thinned keeps every n-th.
func thinned(list []request, n int) []request {
	var out []request
	for i := 0; i < len(list); i += n {
		out = append(out, list[i])
	}
	return out
}
