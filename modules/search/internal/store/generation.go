package store

import (
	"context"
	"fmt"

	"github.com/banyan-tree/banyan/internal/database"
)

type generationRow struct {
	Generation int64 `gorm:"primaryKey;autoIncrement:false"`
	State      string
	Token      string
	MadeAt     database.Time
	BeatAt     database.Time
}

// TableName tells gorm where rows live.
func (generationRow) TableName() string { return "generations" }

// Takers implements core.Pieces.
func (s *Store) Takers(ctx context.Context) ([]int64, error) {
	var takers []int64
	err := s.Conn(ctx).Raw(`SELECT generation FROM generations WHERE state <> 'retired' ORDER BY state DESC`).Scan(&takers).Error
	if err == nil && len(takers) == 0 {
		err = fmt.Errorf("there is no generation that answers: run the migrations of search again")
	}
	return takers, err
}

// Begin implements core.Generations.
func (s *Store) Begin(ctx context.Context, token string) (int64, error) { return 0, nil }

// Beat implements core.Generations.
func (s *Store) Beat(ctx context.Context, generation int64, token string) (bool, error) {
	return false, nil
}
