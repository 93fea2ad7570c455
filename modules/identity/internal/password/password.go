// Package password hashes passwords with Argon2id, so many at a time as memory
// was set aside for.
package password

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/failsafe-go/failsafe-go/bulkhead"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/modules/identity/internal/core"
)

const (
	maxPlaces = 8               // 19 MiB each, and one more
	maxWait   = 3 * time.Second // for a place
)

// params are the OWASP Password Storage Cheat Sheet's for Argon2id.
var params = argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// Hasher implements core.Passwords.
type Hasher struct {
	places bulkhead.Bulkhead[any]
	// newcomers are in all places but one: whoever registers without end, which costs
	// nothing, leaves that one to those who log in.
	newcomers bulkhead.Bulkhead[any]
	maxWait   time.Duration
	dummy     string
}

var _ core.Passwords = (*Hasher)(nil)

// New makes a hasher with a place per processor, 2 to 8, and one more for log-ins.
func New() *Hasher {
	return withPlaces(uint(min(max(runtime.GOMAXPROCS(0), 2), maxPlaces)+1), maxWait) // 3 to 9
}

func withPlaces(n uint, wait time.Duration) *Hasher {
	// A hash of no password: its key is random.
	random := make([]byte, params.SaltLength+params.KeyLength)
	_, _ = rand.Read(random) // never fails: the program ends instead
	b64 := base64.RawStdEncoding.EncodeToString
	return &Hasher{
		places: bulkhead.New[any](n), newcomers: bulkhead.New[any](max(n-1, 1)), maxWait: wait,
		dummy: fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", params.Memory, params.Iterations, params.Parallelism,
			b64(random[:params.SaltLength]), b64(random[params.SaltLength:])),
	}
}

// Hash implements core.Passwords.
func (h *Hasher) Hash(ctx context.Context, password string) (hash string, err error) {
	err = h.placed(ctx, h.newcomers, func() error {
		return h.placed(ctx, h.places, func() error {
			hash, err = argon2id.CreateHash(password, &params)
			return err
		})
	})
	return hash, err
}

// Verify implements core.Passwords.
func (h *Hasher) Verify(ctx context.Context, password, hash string, admit func() error) (same bool, err error) {
	known := hash != ""
	if !known {
		hash = h.dummy
	}
	err = h.placed(ctx, h.places, func() error {
		if err := admit(); err != nil {
			return err
		}
		same, err = argon2id.ComparePasswordAndHash(password, hash)
		return err
	})
	return same && known, err
}

// placed works in one of the places. Codes: Unavailable, Canceled, DeadlineExceeded.
func (h *Hasher) placed(ctx context.Context, places bulkhead.Bulkhead[any], work func() error) error {
	err := places.AcquirePermitWithMaxWait(ctx, h.maxWait)
	switch {
	case errors.Is(err, bulkhead.ErrFull):
		return fault.Unavailable.Errorf("too many people log in or register at this moment: try again in a second").WithDetail("retry_after", "1")
	case err != nil:
		return err
	}
	defer places.ReleasePermit()
	return work()
}
