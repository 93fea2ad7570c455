package core

import (
	"context"
	"fmt"

	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/identity"
)

// LogOut implements identity.Service. Access tokens that were given out stay
// good until they expire: nobody asks us about them.
func (s *Service) LogOut(ctx context.Context, req identity.LogOutRequest) (identity.LogOutReply, error) {
	if req.UserID == "" || !port.PrincipalFrom(ctx).MayActFor(req.UserID) {
		return identity.LogOutReply{}, userNotFound()
	}
	err := s.store.Atomic(ctx, func(ctx context.Context) error {
		_, err := s.store.Revoke(ctx, Family{ID: req.SessionID, UserID: req.UserID}, LoggedOut, s.now())
		return err
	})
	if err != nil {
		return identity.LogOutReply{}, fmt.Errorf("end the session: %w", err)
	}
	return identity.LogOutReply{}, nil
}
