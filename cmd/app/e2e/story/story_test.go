package story

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// update records the script, and what becomes of it.
var update = os.Getenv("BANYAN_TEST_UPDATE") != ""

// The script is what the chapters and the generator here write. It is not parallel: a
// new one is there before it is told.
func TestScriptIsCurrent(t *testing.T) {
	made := encode(write())
	if update {
		require.NoError(t, os.WriteFile(scriptFile, made, 0o644))
	}
	raw, err := os.ReadFile(scriptFile)
	require.NoError(t, err)
	require.Equal(t, string(raw), string(made), "%s is stale: make it anew with BANYAN_TEST_UPDATE=1", scriptFile)
	steps := 0
	for _, c := range script(t) {
		steps += len(c.steps)
	}
	require.GreaterOrEqual(t, steps, 1000)
}

// One story has one ending, however the shop is wired.
func TestStory(t *testing.T) {
	t.Parallel()
	chapters := script(t)
	if update {
		t.Run("recorded", func(t *testing.T) {
			require.Equal(t, 1, shoptest.Storm(0, 1), "record the whole story: BANYAN_TEST_STORM=full")
			record(t, tell(t, shoptest.NewSite(t), chapters))
		})
	}
	want := golden(t)
	for _, wiring := range []string{"sqlite", "postgres", "rabbitmq", "extracted"} {
		t.Run(wiring, func(t *testing.T) {
			t.Parallel()
			if wiring != "sqlite" && wiring != "extracted" && shoptest.Storm(0, 1) == 0 {
				t.Skip("only at full size, BANYAN_TEST_STORM=full")
			}
			for _, c := range tell(t, shoptest.Wired(t, wiring), chapters) {
				require.Contains(t, want, c.title, "record it: BANYAN_TEST_UPDATE=1")
				if d := difference(want[c.title], c.text()); d != "" {
					t.Error(d)
				}
			}
		})
	}
}

const opening = "opening" // what happens before the first chapter, and to nobody in any

// tell plays the chapters one after the other, and then looks what became of them.
func tell(t *testing.T, at shoptest.Site, chapters []chapter) []told {
	t.Helper()
	s := shoptest.Serve(t, at)
	password := s.AdminPassword(t)
	shoptest.Until(t, "pricing and inventory are asked in time", func() bool { // their first connections take long
		return !leftOut.MatchString(s.Anyone().Get(t, "/products/fiddle-leaf-fig").Raw)
	})
	var players []*player
	var all []told
	began, steps := time.Now(), 0
	for _, c := range chapters {
		if !c.sample && shoptest.Storm(0, 1) == 0 {
			continue
		}
		p, told := play(t, s, password, c)
		players, all, steps = append(players, p), append(all, told), steps+len(c.steps)
	}
	played := time.Since(began)
	s.Quiet(t)
	events, admin := logs(t, s), s.Admin(t)
	for i, p := range players {
		goods, _, _ := strings.Cut(all[i].title, " ")
		var mine, others []recorded
		for _, e := range events {
			if p.owns(e, goods+"-") {
				mine = append(mine, e)
			} else {
				others = append(others, e)
			}
		}
		require.NotEmpty(t, mine, all[i].title)
		all[i].after = append(p.names.streams(mine), p.ledger(t, admin, mine)...)
		events = others
	}
	all = append(all, told{title: opening, after: newNames().streams(events)})
	s.Audited(t)
	t.Logf("%d chapters of %d steps in %s, then looked at in %s", len(players), steps, played.Round(time.Millisecond), (time.Since(began) - played).Round(time.Millisecond))
	return all
}

// record writes the golden file.
func record(t *testing.T, all []told) {
	t.Helper()
	var out strings.Builder
	for _, c := range all {
		out.WriteString(c.text())
	}
	require.NoError(t, os.WriteFile(goldenFile, []byte(out.String()), 0o644))
}
