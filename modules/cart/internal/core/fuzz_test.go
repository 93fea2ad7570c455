package core

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/cart"
)

// kept is a store with one guest's cart.
type kept struct {
	Store
	hash string
}

func (k kept) Cart(_ context.Context, o Owner) (Cart, bool, error) {
	return Cart{ID: "c", UpdatedAt: time.Unix(1, 0)}, o == Owner{TokenHash: k.hash}, nil
}

// FuzzGuestToken: no token but the one that was given out opens a guest's cart, and
// what looks for a cart never has the token in it.
func FuzzGuestToken(f *testing.F) {
	const good = "pIdsXn9yhNI4V0jPMWOEmYbNZCwOk0jRIjWn3W5hFBo"
	s := New(Deps{Store: kept{hash: hash(good)}, Currency: "USD"})
	f.Add(good, "")
	f.Fuzz(func(t *testing.T, token, user string) {
		ctx := port.WithPrincipal(t.Context(), port.Principal{Subject: "u1", Roles: []string{port.RoleCustomer}})
		owner, err := ownerOf(ctx, cart.Owner{UserID: user, GuestToken: token})
		if err != nil {
			require.Contains(t, []string{"invalid", "forbidden"}, fault.From(err).Code.Name())
			require.Zero(t, owner)
			if len(token) > 10 {
				require.NotContains(t, err.Error(), token)
			}
			return
		}
		if user != "" {
			require.Equal(t, Owner{UserID: "u1"}, owner, "only one's own")
			return
		}
		require.Len(t, owner.TokenHash, 64)
		require.Empty(t, strings.Trim(owner.TokenHash, "0123456789abcdef"))
		_, err = s.Get(ctx, cart.GetRequest{Owner: cart.Owner{GuestToken: token}})
		if token == good {
			require.NoError(t, err)
			return
		}
		require.ErrorIs(t, err, cart.UnknownToken)
		if len(token) > 10 {
			require.NotContains(t, err.Error(), token)
		}
	})
}
