package searchtest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/port/porttest"
	"github.com/banyan-tree/banyan/modules/search"
	"github.com/banyan-tree/banyan/modules/search/searchtest"
)

func TestFakeKeepsTheContractToo(t *testing.T) {
	t.Parallel()
	var fake *searchtest.Fake
	porttest.Ways(t, func(s *port.Server) {
		fake = searchtest.NewFake()
		search.Serve(s, fake)
	}, func(t *testing.T, conn *port.Conn) {
		searchtest.Exercise(t, searchtest.Harness{Service: search.NewClient(conn), Hear: fake.Hear})
	})
}

func TestFakePassesOverWhatIsOld(t *testing.T) {
	t.Parallel()
	fake := searchtest.NewFake()
	shelf := searchtest.NewShelf(fake.Harness())
	first := shelf.Product(searchtest.Thing{Handle: "pot", Title: "Old pot"})
	shelf.MustPut(t, searchtest.Thing{Handle: "pot", Title: "New pot", Price: 100})
	require.NoError(t, fake.Hear(first))
	require.Equal(t, "New pot", searchtest.MustFind(t, fake, search.FindRequest{Text: "pot"}).Items[0].Title)
	foreign := event.Define[string]("weather.day", "weather.changed").New("monday", 1, "rain")
	require.ErrorContains(t, fake.Hear(foreign), "weather.changed")
}
