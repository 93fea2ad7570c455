package overload

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// TestFullDisk takes the room away from a shop in use: a disk of its own that is
// filled up. Writes are refused, reads go on, and when there is room again so is
// the shop, with all that it ever accepted.
func TestFullDisk(t *testing.T) {
	beside(t)
	disk := t.TempDir()
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size=128m"); err != nil {
		testenv.Instead(t, "the right to mount", err.Error()+"; TestFileLimit shows the same promise without it")
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(disk, syscall.MNT_DETACH)) })
	ballast := filepath.Join(disk, "ballast")
	withoutRoom(t, shoptest.NewSite(t).With("BANYAN_DATA_DIR="+filepath.Join(disk, "data")), filepath.Join(disk, "data"),
		func(*shoptest.Server) {
			f, err := os.OpenFile(ballast, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
			require.NoError(t, err)
			for size := 1 << 20; size > 0; { // to the last byte
				if _, err := f.Write(make([]byte, size)); err != nil {
					size /= 16
				}
			}
			_ = f.Close()
		},
		func(*shoptest.Server) { require.NoError(t, os.Remove(ballast)) })
}

// TestFileLimit is TestFullDisk where nobody may mount: the process may write to
// no file any more.
func TestFileLimit(t *testing.T) {
	beside(t)
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	at := shoptest.NewSite(t)
	withoutRoom(t, at, at.Data,
		func(s *shoptest.Server) { limitFiles(t, s, syscall.Rlimit{Cur: 0, Max: before.Max}) },
		func(s *shoptest.Server) { limitFiles(t, s, before) })
}

// limitFiles sets the limit of another process: prlimit(2).
func limitFiles(t *testing.T, s *shoptest.Server, to syscall.Rlimit) {
	t.Helper()
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(s.Cmd.Process.Pid), syscall.RLIMIT_FSIZE, uintptr(unsafe.Pointer(&to)), 0, 0, 0)
	require.Zero(t, errno, errno.Error())
}

func withoutRoom(t *testing.T, at shoptest.Site, data string, fill, free func(*shoptest.Server)) {
	t.Helper()
	at.Data = data
	s := shoptest.Serve(t, at)
	admin := s.Admin(t)
	c := s.NewCrowd(t, admin, 4, shoptest.Storm(20, 200), 10_000, "tok_visa", "tok_lost_reply", "tok_declined")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var over atomic.Bool
	c.More = func() bool { return !over.Load() } // somebody must be buying when there is no room
	var buying sync.WaitGroup
	buying.Go(func() { c.Burst(ctx, t, s.Here) })
	shoptest.Until(t, "some orders", func() bool { return c.Accepted.Load() > 8 })
	fill(s)
	refused, looked, before := 0, 0, c.Unknown.Load()
	shoptest.Until(t, "writes are refused for a while, to buyers as well", func() bool {
		a, err := c.Buyers[0].Client.Try(t.Context(), http.MethodPut, "/cart/items/"+shoptest.Staple, shoptest.Object{"quantity": 1})
		require.NoError(t, err)
		if a.Status != http.StatusOK && !tooLate(a) {
			require.Equal(t, http.StatusServiceUnavailable, a.Status, a.Raw)
			require.Equal(t, "unavailable", a.Text("code"), a.Raw)
			require.Regexp(t, "disk of the database is full|database file cannot be used", a.Text("detail"))
			require.NotEmpty(t, a.Header.Get("Retry-After"))
			refused++
		}
		for _, path := range []string{"/products", "/stock/" + c.SKU, "/cart", "/orders", "//health/live"} {
			c.Buyers[0].Get(t, path)
			looked++
		}
		return refused > 20 && c.Unknown.Load() > before
	})
	over.Store(true)
	require.Positive(t, looked)
	free(s)
	began := time.Now()
	buying.Wait()
	t.Logf("%d writes refused, %d reads answered meanwhile, %d requests of buyers came to nothing at first; done %s after there was room", refused, looked, c.Unknown.Load(), time.Since(began).Round(time.Millisecond))
	require.Positive(t, c.Settled(t, s, admin).Confirmed)
	// What was kept is kept for good.
	s.Kill(t)
	s = shoptest.Serve(t, at)
	c.Settled(t, s, s.Admin(t))
}
