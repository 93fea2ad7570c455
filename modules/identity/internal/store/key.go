package store

import (
	"context"
	"encoding/base64"
	"fmt"

	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/identity/internal/core"
)

type keyRow struct {
	ID         string `gorm:"primaryKey"`
	Generation int64
	PKCS8      string        `gorm:"column:pkcs8"` // base64
	CreatedAt  database.Time `gorm:"autoCreateTime:false"`
	SignsFrom  database.Time
}

func (keyRow) TableName() string { return "signing_keys" }

// SigningKeys implements core.Keys.
func (s *Store) SigningKeys(ctx context.Context) ([]core.Key, error) {
	var rows []keyRow
	if err := s.Conn(ctx).Order("generation").Find(&rows).Error; err != nil {
		return nil, err
	}
	keys := make([]core.Key, len(rows))
	for i, r := range rows {
		pkcs8, err := base64.StdEncoding.DecodeString(r.PKCS8)
		if err != nil {
			return nil, fmt.Errorf("signing key %s cannot be read: %w", r.ID, err)
		}
		keys[i] = core.Key{ID: r.ID, Generation: r.Generation, PKCS8: pkcs8, CreatedAt: r.CreatedAt.Time, SignsFrom: r.SignsFrom.Time}
	}
	return keys, nil
}

// AddKey implements core.Keys.
func (s *Store) AddKey(ctx context.Context, k core.Key) (bool, error) {
	tx := s.Conn(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "generation"}}, DoNothing: true}).Create(&keyRow{
		ID: k.ID, Generation: k.Generation, PKCS8: base64.StdEncoding.EncodeToString(k.PKCS8),
		CreatedAt: database.At(k.CreatedAt), SignsFrom: database.At(k.SignsFrom),
	})
	return tx.RowsAffected == 1, tx.Error
}

// DropKeys implements core.Keys.
func (s *Store) DropKeys(ctx context.Context, ids []string) error {
	return s.Conn(ctx).Where("id IN ?", ids).Delete(&keyRow{}).Error
}
