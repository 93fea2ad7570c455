package store

import (
	"context"
	"time"

	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/identity"
	"github.com/banyan-tree/banyan/modules/identity/internal/core"
)

type userRow struct {
	ID           string `gorm:"primaryKey"`
	Email        string
	Name         string
	PasswordHash string
	Version      int64
	CreatedAt    database.Time `gorm:"autoCreateTime:false"`
	UpdatedAt    database.Time `gorm:"autoUpdateTime:false"`
}

func (userRow) TableName() string { return "users" }

type roleRow struct {
	UserID string `gorm:"primaryKey"`
	Role   string `gorm:"primaryKey"`
}

func (roleRow) TableName() string { return "user_roles" }

// AddUser implements core.Users.
func (s *Store) AddUser(ctx context.Context, u core.User) (bool, error) {
	at := database.At(u.CreatedAt)
	tx := s.Conn(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "email"}}, DoNothing: true}).Create(&userRow{
		ID: u.ID, Email: u.Email, Name: u.Name, PasswordHash: u.PasswordHash, Version: 1, CreatedAt: at, UpdatedAt: at,
	})
	if tx.Error != nil || tx.RowsAffected == 0 {
		return false, tx.Error
	}
	return true, s.AddRoles(ctx, u.ID, u.Roles)
}

// AddRoles implements core.Users.
func (s *Store) AddRoles(ctx context.Context, userID string, roles []string) error {
	rows := make([]roleRow, len(roles))
	for i, role := range roles {
		rows[i] = roleRow{UserID: userID, Role: role}
	}
	return s.Conn(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&rows).Error
}

// UserByEmail implements core.Users.
func (s *Store) UserByEmail(ctx context.Context, email string) (core.User, bool, error) {
	return s.user(ctx, "users.email = ?", email)
}

// User implements core.Users.
func (s *Store) User(ctx context.Context, id string) (core.User, bool, error) {
	return s.user(ctx, "users.id = ?", id)
}

// user reads a user and the roles in one statement: one row per role.
func (s *Store) user(ctx context.Context, condition, value string) (core.User, bool, error) {
	var rows []struct {
		User userRow `gorm:"embedded"`
		Role *string
	}
	err := s.Conn(ctx).Raw(`SELECT users.id, users.email, users.name, users.password_hash, users.created_at, user_roles.role
		FROM users LEFT JOIN user_roles ON user_roles.user_id = users.id
		WHERE `+condition+` ORDER BY user_roles.role`, value).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return core.User{}, false, err
	}
	first := rows[0].User
	u := core.User{
		User: identity.User{
			ID: first.ID, Email: first.Email, Name: first.Name, CreatedAt: first.CreatedAt.Time, Roles: []string{},
		},
		PasswordHash: first.PasswordHash,
	}
	for _, r := range rows {
		if r.Role != nil {
			u.Roles = append(u.Roles, *r.Role)
		}
	}
	return u, true, nil
}

// SetPassword implements core.Users.
func (s *Store) SetPassword(ctx context.Context, userID, hash string, at time.Time) error {
	return s.Conn(ctx).Model(&userRow{}).Where("id = ?", userID).
		Updates(map[string]any{"password_hash": hash, "updated_at": database.At(at)}).Error
}

// ConfirmPassword implements core.Users.
func (s *Store) ConfirmPassword(ctx context.Context, userID, hash string) (bool, error) {
	var ids []string
	err := s.Conn(ctx).Model(&userRow{}).Clauses(s.locking(clause.LockingStrengthShare)...).
		Where("id = ? AND password_hash = ?", userID, hash).Pluck("id", &ids).Error
	return len(ids) == 1, err
}
