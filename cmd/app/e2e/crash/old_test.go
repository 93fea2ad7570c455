package crash

import (
	"context"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/migrations"
)

// An earlier version had only the first migrations of these modules. The way back to it
// loses nothing of a shop where nobody has a wallet.
var older = []string{"orders", "payments", "cart", "pricing", "wallet"}

// TestOldStore fills a shop, takes its store back to what an earlier version had, and kills
// the start that migrates it: before and after each module. The next start must bring it to
// its end with nothing lost.
func TestOldStore(t *testing.T) {
	t.Parallel()
	binary := shoptest.Build(t, "faultpoints")
	shoptest.OnEach(t, func(t *testing.T, at shoptest.Site) {
		dice := chance(t)
		at, armed, record := rig(t, at.With(chief...), binary)
		s := shoptest.Serve(t, at)
		admin := s.LogIn(t, "chief@example.com", shoptest.Password)
		c := s.NewCrowd(t, admin, 8, shoptest.Storm(2, 40), 10_000, "tok_visa", "tok_lost_reply", "tok_declined", "tok_visa")
		for i, b := range c.Buyers {
			b.Wishes[0].Cancel = i%4 == 0
		}
		c.Burst(t.Context(), t, s.Here)
		out := c.Settled(t, s, admin)
		require.Positive(t, out.Confirmed)
		require.Zero(t, s.Stop(t))

		age(t, at)
		require.NoError(t, os.Truncate(record, 0))
		s = shoptest.Serve(t, at)
		points := migrating(t, record)
		require.Zero(t, s.Stop(t))
		require.Len(t, points, 2*len(older), "%v", points)
		dice.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
		recovers := func(message string, args ...any) {
			t.Helper()
			s := shoptest.Serve(t, at)
			nothingPending(t, at)
			c.Repeated(t, s)
			require.Equal(t, out, c.Settled(t, s, admin.At(s.Shop)), append([]any{message}, args...)...)
			s.Kill(t)
		}
		for _, point := range points[:shoptest.Storm(2, len(points))] {
			age(t, at)
			require.NoError(t, os.Truncate(record, 0))
			require.NoError(t, os.WriteFile(armed, []byte(point), 0o600))
			doomed := shoptest.Launch(t, at)
			select {
			case <-doomed.Exited:
			case <-time.After(shoptest.Patience):
				require.Fail(t, "a point was not passed", point)
			}
			raw, err := os.ReadFile(record)
			require.NoError(t, err)
			require.Contains(t, string(raw), "died "+point+"\n")
			require.NoError(t, os.WriteFile(armed, nil, 0o600))
			recovers("after a death at %s", point)
		}
		// A migration waits for a lock for ten seconds, which a machine may stand still.
		if at.Setting("BANYAN_DATABASE_URL") != "" && shoptest.Storm(0, 1) == 1 {
			age(t, at)
			killWithin(t, at, "payments")
			recovers("after a death within a migration")
		}
	})
}

// killWithin kills a start in the middle of a migration, which waits for a lock of ours.
func killWithin(t *testing.T, at shoptest.Site, module string) {
	t.Helper()
	cluster := openStore(t, at)
	defer func() { require.NoError(t, cluster.Close()) }()
	db, err := cluster.Module(t.Context(), module, 1)
	require.NoError(t, err)
	require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
		if err := db.Conn(ctx).Exec("LOCK TABLE " + module + " IN ACCESS SHARE MODE").Error; err != nil {
			return err
		}
		doomed := shoptest.Launch(t, at)
		shoptest.Often(t, "a migration waits", func() bool {
			var waits bool
			require.NoError(t, db.Conn(ctx).Raw("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND relation = '"+module+"'::regclass)").Scan(&waits).Error)
			return waits
		})
		doomed.Kill(t)
		return nil
	}))
}

func openStore(t *testing.T, at shoptest.Site) *database.Cluster {
	t.Helper()
	cluster, err := database.Open(t.Context(), database.Config{Dir: at.Data, URL: at.Setting("BANYAN_DATABASE_URL"), Pool: 10})
	require.NoError(t, err)
	return cluster
}

// migrating gives the points around the migrations that the older version did not have.
func migrating(t *testing.T, record string) (points []string) {
	t.Helper()
	raw, err := os.ReadFile(record)
	require.NoError(t, err)
	for point := range strings.Lines(string(raw)) {
		point = strings.TrimSuffix(point, "\n")
		module, moment, _ := strings.Cut(point, ":")
		if slices.Contains(older, module) && strings.Contains(moment, "-migration:") && !slices.Contains(points, point) {
			points = append(points, point)
		}
	}
	return points
}

// age takes the store of a shop that does not run back to the older version.
func age(t *testing.T, at shoptest.Site) {
	t.Helper()
	cluster := openStore(t, at)
	defer func() { require.NoError(t, cluster.Close()) }()
	for _, module := range older {
		db, err := cluster.Module(t.Context(), module, 1)
		require.NoError(t, err)
		files := migrations.Of(module).FS
		names, err := fs.Glob(files, "*.sql")
		require.NoError(t, err)
		slices.Reverse(names) // the newest first
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			for _, name := range names[:len(names)-1] {
				text, err := fs.ReadFile(files, name)
				if err != nil {
					return err
				}
				_, back, _ := strings.Cut(string(text), "-- +goose Down")
				for statement := range strings.SplitSeq(back, ";") {
					if strings.TrimSpace(statement) == "" {
						continue
					}
					if err := db.Conn(ctx).Exec(statement).Error; err != nil {
						return err
					}
				}
			}
			return db.Conn(ctx).Exec("DELETE FROM goose_" + module + " WHERE version_id > 1").Error
		}), module)
	}
}
