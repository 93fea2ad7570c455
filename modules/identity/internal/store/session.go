package store

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/identity/internal/core"
)

type sessionRow struct {
	ID        string `gorm:"primaryKey"`
	UserID    string
	CreatedAt database.Time `gorm:"autoCreateTime:false"`
	ExpiresAt database.Time
	RevokedAt *database.Time
	Reason    string
}

func (sessionRow) TableName() string { return "sessions" }

type tokenRow struct {
	Hash      string `gorm:"primaryKey"`
	SessionID string
	CreatedAt database.Time `gorm:"autoCreateTime:false"`
	ExpiresAt database.Time
	UsedAt    *database.Time
}

func (tokenRow) TableName() string { return "refresh_tokens" }

// Open implements core.Sessions.
func (s *Store) Open(ctx context.Context, f core.Family, first core.RefreshToken) error {
	err := s.Conn(ctx).Create(&sessionRow{
		ID: f.ID, UserID: f.UserID, CreatedAt: database.At(first.CreatedAt), ExpiresAt: database.At(first.ExpiresAt),
	}).Error
	if err != nil {
		return err
	}
	return s.addToken(ctx, f.ID, first)
}

func (s *Store) addToken(ctx context.Context, sessionID string, t core.RefreshToken) error {
	return s.Conn(ctx).Create(&tokenRow{
		Hash: t.Hash, SessionID: sessionID, CreatedAt: database.At(t.CreatedAt), ExpiresAt: database.At(t.ExpiresAt),
	}).Error
}

// Use implements core.Sessions. The second of two callers waits for the first
// one's transaction and then finds the token used.
func (s *Store) Use(ctx context.Context, hash string, now time.Time) (string, bool, error) {
	var ids []string
	at := database.At(now)
	err := s.Conn(ctx).Raw(`UPDATE refresh_tokens SET used_at = ?
		WHERE hash = ? AND used_at IS NULL AND expires_at > ? RETURNING session_id`, at, hash, at).Scan(&ids).Error
	if err != nil || len(ids) == 0 {
		return "", false, err
	}
	return ids[0], true, nil
}

// UsedBy implements core.Sessions.
func (s *Store) UsedBy(ctx context.Context, hash string) (string, bool, error) {
	var ids []string
	err := s.Conn(ctx).Model(&tokenRow{}).Where("hash = ? AND used_at IS NOT NULL", hash).Pluck("session_id", &ids).Error
	if err != nil || len(ids) == 0 {
		return "", false, err
	}
	return ids[0], true, nil
}

// Extend implements core.Sessions. The row of the session decides between it and
// Revoke.
func (s *Store) Extend(ctx context.Context, sessionID string, next core.RefreshToken) (core.Family, bool, error) {
	var users []string
	err := s.Conn(ctx).Raw(`UPDATE sessions SET expires_at = ? WHERE id = ? AND revoked_at IS NULL RETURNING user_id`,
		database.At(next.ExpiresAt), sessionID).Scan(&users).Error
	if err != nil || len(users) == 0 {
		return core.Family{}, false, err
	}
	return core.Family{ID: sessionID, UserID: users[0]}, true, s.addToken(ctx, sessionID, next)
}

// Revoke implements core.Sessions.
func (s *Store) Revoke(ctx context.Context, f core.Family, reason string, at time.Time) (int64, error) {
	q := s.Conn(ctx).Model(&sessionRow{}).Where("revoked_at IS NULL")
	if f.ID != "" {
		q = q.Where("id = ?", f.ID)
	}
	if f.UserID != "" || f.ID == "" {
		q = q.Where("user_id = ?", f.UserID)
	}
	tx := q.Updates(map[string]any{"revoked_at": database.At(at), "reason": reason})
	return tx.RowsAffected, tx.Error
}
