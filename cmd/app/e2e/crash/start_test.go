package crash

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
	"github.com/banyan-tree/banyan/internal/crashpoint"
)

// nothingPending demands that no migration is left to be done.
func nothingPending(t *testing.T, at shoptest.Site) {
	t.Helper()
	var rows []struct {
		Module, Set string
		Pending     int
	}
	at.JSON(t, &rows, "migrate", "--status", "--json")
	require.NotEmpty(t, rows)
	for _, row := range rows {
		require.Zero(t, row.Pending, "%s/%s", row.Module, row.Set)
	}
}

// TestFirstStart kills the very first start of a shop, which migrates and
// imports, at its crash points; the next start must bring it to its end. On
// PostgreSQL a second instance starts at the same time, and lives.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	binary := shoptest.Build(t, "faultpoints")
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		firstStart(t, binary, shoptest.Storm(5, 1000), func(t *testing.T) shoptest.Site { return shoptest.NewSite(t, chief...) })
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		firstStart(t, binary, shoptest.Storm(2, 40), func(t *testing.T) shoptest.Site { return shoptest.NewEmptyPostgresSite(t, chief...) })
	})
}

func firstStart(t *testing.T, binary string, most int, fresh func(t *testing.T) shoptest.Site) {
	dice := chance(t)
	// Some points only a slow start passes, such as the extension of a claim: those of
	// two starts are waited for.
	points, whole := rehearsed(t, binary, fresh(t))
	second, _ := rehearsed(t, binary, fresh(t))
	points = slices.DeleteFunc(points, func(point string) bool { return !slices.Contains(second, point) })
	between := "" // the catalogue is there, and no price is
	for _, point := range points {
		if strings.HasPrefix(point, "catalog:after-commit:core.") { // not those of its relay
			between = point
		}
	}
	require.Greater(t, len(points), 60)
	require.NotEmpty(t, between)
	dice.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
	points = append([]string{between}, points...)
	// Where two start, the other one leaves nothing to do at half of the points and more.
	deaths, tried, need := 0, 0, shoptest.Storm(1, min(most, len(points))/4)
	for n, point := range points {
		if n > most && deaths >= need {
			break
		}
		tried++
		at, armed, record := rig(t, fresh(t), binary)
		require.NoError(t, os.WriteFile(armed, []byte(point), 0o600))
		doomed := shoptest.Launch(t, at)
		var other *shoptest.Server
		if strings.Contains(strings.Join(at.Settings, " "), "BANYAN_DATABASE_URL") {
			twin := at.Twin(t)
			twin.Binary = ""
			other = shoptest.Launch(t, twin)
		}
		select {
		case <-doomed.Exited:
			raw, err := os.ReadFile(record)
			require.NoError(t, err)
			require.Contains(t, string(raw), "died "+point+"\n")
			deaths++
		case <-time.After(shoptest.Patience):
			require.NotNil(t, other, "a point was not passed: %s", point)
		case <-opened(t, doomed, other): // the other one was faster: there was nothing left to do here
		}
		if other != nil {
			require.True(t, other.Opens(t), other.Log)
			becomes(t, whole, other, anything, "beside a death at %s", point)
		}
		require.NoError(t, os.WriteFile(armed, nil, 0o600))
		s := shoptest.Serve(t, at)
		becomes(t, whole, s, anything, "after a death at %s", point)
		nothingPending(t, at)
		s.LogIn(t, "chief@example.com", shoptest.Password)
		s.Kill(t)
		if other != nil {
			other.Kill(t)
		}
	}
	require.GreaterOrEqual(t, deaths, need, "the other one was mostly faster: the test says too little")
	t.Logf("%d deaths in the first start, at %d points", deaths, tried)
}

// rehearsed starts a shop for the first time, and gives the points that it passed, in
// their order, and what is then on its shelf.
func rehearsed(t *testing.T, binary string, at shoptest.Site) (points, whole []string) {
	t.Helper()
	at, _, record := rig(t, at, binary)
	s := shoptest.Serve(t, at)
	shoptest.Until(t, "everything has its price", func() bool {
		whole = shelf(t, s)
		return !strings.Contains(strings.Join(whole, "\n"), "<nil>")
	})
	raw, err := os.ReadFile(record)
	require.NoError(t, err)
	s.Kill(t)
	for point := range strings.Lines(string(raw)) {
		if point = strings.TrimSuffix(point, "\n"); !slices.Contains(points, point) {
			points = append(points, point)
		}
	}
	return points, whole
}

// opened tells when a launched shop is open, where that is no failure.
func opened(t *testing.T, s, other *shoptest.Server) <-chan bool {
	t.Helper()
	if other == nil {
		return nil
	}
	open := make(chan bool, 1)
	go func() {
		if s.Opens(t) {
			open <- true
		}
	}()
	return open
}

// rig gives a site its crash points: the files that arm and record them.
func rig(t *testing.T, at shoptest.Site, binary string) (_ shoptest.Site, armed, record string) {
	t.Helper()
	dir := t.TempDir()
	armed, record = filepath.Join(dir, "armed"), filepath.Join(dir, "record")
	require.NoError(t, os.WriteFile(armed, nil, 0o600))
	at = at.With(crashpoint.Variable+"="+armed, crashpoint.RecordVariable+"="+record)
	at.Binary = binary
	return at, armed, record
}
