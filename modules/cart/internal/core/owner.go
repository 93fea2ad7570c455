package core

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/cart"
)

// Token makes a guest's token: 256 random bits.
func Token() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails: it ends the process instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// ownerOf checks who asks. A user's cart is for that user; a guest's token is
// all that is needed, and only its hash is kept.
func ownerOf(ctx context.Context, o cart.Owner) (Owner, error) {
	switch {
	case o.UserID != "" && o.GuestToken != "", o.UserID == "" && o.GuestToken == "":
		return Owner{}, fault.Invalid.Errorf("name a user or a guest's token, one of them")
	case o.UserID != "":
		if !port.PrincipalFrom(ctx).MayActFor(o.UserID) {
			return Owner{}, fault.Forbidden.Errorf("this is somebody else's cart")
		}
		return Owner{UserID: o.UserID}, nil
	}
	return Owner{TokenHash: hash(o.GuestToken)}, nil
}

func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
