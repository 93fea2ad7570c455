package store

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
)

// States of a generation.
const (
	live     = "live"
	building = "building"
	retired  = "retired"
)

// sweepAtOnce is how many rows of each table one part of a removal takes.
const sweepAtOnce = 500

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
		err = errors.New("no index answers: the table generations has no live row, which the migration of search made")
	}
	return takers, err
}

// Begin implements core.Generations. Where two begin at once, the unique index of
// states lets one of them; the other waits for that, then looks again.
func (s *Store) Begin(ctx context.Context, token string) (int64, time.Time, error) {
	for ctx.Err() == nil {
		var other []generationRow
		if err := s.Conn(ctx).Where("state = ?", building).Find(&other).Error; err != nil {
			return 0, time.Time{}, err
		}
		if len(other) > 0 {
			return 0, other[0].MadeAt.Time, nil
		}
		var highest int64
		if err := s.Conn(ctx).Raw(`SELECT MAX(generation) FROM generations`).Scan(&highest).Error; err != nil {
			return 0, time.Time{}, err
		}
		now := database.At(s.now())
		row := generationRow{Generation: highest + 1, State: building, Token: token, MadeAt: now, BeatAt: now}
		made := s.Conn(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
		if made.Error != nil || made.RowsAffected == 1 {
			return row.Generation, now.Time, made.Error
		}
	}
	return 0, time.Time{}, ctx.Err()
}

// Beat implements core.Generations.
func (s *Store) Beat(ctx context.Context, generation int64, token string) (bool, error) {
	done := s.Conn(ctx).Exec(`UPDATE generations SET beat_at = ? WHERE generation = ? AND state = 'building' AND token = ?`,
		database.At(s.now()), generation, token)
	return done.RowsAffected == 1, done.Error
}

// Switch implements core.Generations.
func (s *Store) Switch(ctx context.Context, generation int64, token string) (bool, error) {
	if mine, err := s.Beat(ctx, generation, token); err != nil || !mine {
		return false, err
	}
	now := database.At(s.now())
	return true, errors.Join(
		s.Conn(ctx).Exec(`UPDATE generations SET state = 'retired', beat_at = ? WHERE state = 'live'`, now).Error,
		s.Conn(ctx).Exec(`UPDATE generations SET state = 'live', beat_at = ? WHERE generation = ?`, now, generation).Error,
	)
}

// Retire implements core.Generations.
func (s *Store) Retire(ctx context.Context, generation int64, token string) error {
	return s.Conn(ctx).Exec(`UPDATE generations SET state = 'retired', beat_at = ? WHERE generation = ? AND state = 'building' AND token = ?`,
		database.At(s.now()), generation, token).Error
}

// RetireSilent implements core.Generations.
func (s *Store) RetireSilent(ctx context.Context, since time.Time) error {
	return s.Conn(ctx).Exec(`UPDATE generations SET state = 'retired', beat_at = ? WHERE state = 'building' AND beat_at < ?`,
		database.At(s.now()), database.At(since)).Error
}

// Retired implements core.Generations.
func (s *Store) Retired(ctx context.Context, before time.Time) ([]int64, error) {
	var old []int64
	err := s.Conn(ctx).Raw(`SELECT generation FROM generations WHERE state = 'retired' AND beat_at < ? ORDER BY generation`, database.At(before)).
		Scan(&old).Error
	return old, err
}

// Sweep implements core.Generations. The generation itself goes last, with the
// words and labels, which are few.
func (s *Store) Sweep(ctx context.Context, generation int64) (bool, error) {
	conn := s.Conn(ctx)
	var docs []int64
	err := conn.Raw(`SELECT doc_id FROM documents WHERE generation = ? LIMIT ?`, generation, sweepAtOnce).Scan(&docs).Error
	if err != nil {
		return false, err
	}
	if len(docs) > 0 {
		return false, errors.Join(s.removeText(conn, docs), conn.Where("doc_id IN ?", docs).Delete(&documentRow{}).Error)
	}
	for _, part := range []string{
		`DELETE FROM offer_pieces WHERE generation = ? AND sku IN (SELECT sku FROM offer_pieces WHERE generation = ? LIMIT ?)`,
		`DELETE FROM variant_pieces WHERE generation = ? AND product_id IN (SELECT product_id FROM variant_pieces WHERE generation = ? LIMIT ?)`,
		`DELETE FROM product_pieces WHERE generation = ? AND product_id IN (SELECT product_id FROM product_pieces WHERE generation = ? LIMIT ?)`,
		`DELETE FROM words WHERE generation = ? AND word IN (SELECT word FROM words WHERE generation = ? LIMIT ?)`,
		`DELETE FROM labels WHERE generation = ? AND begins IN (SELECT begins FROM labels WHERE generation = ? LIMIT ?)`,
	} {
		done := conn.Exec(part, generation, generation, 2*sweepAtOnce)
		if done.Error != nil || done.RowsAffected > 0 {
			return false, done.Error
		}
	}
	return true, conn.Where("generation = ? AND state = ?", generation, retired).Delete(&generationRow{}).Error
}
