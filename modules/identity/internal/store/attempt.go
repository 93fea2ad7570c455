package store

import (
	"context"
	"strings"
	"time"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/identity/internal/core"
)

type attemptRow struct {
	Subject  string `gorm:"primaryKey"`
	Attempts int64
	Since    database.Time
}

func (attemptRow) TableName() string { return "log_in_attempts" }

// CountAttempt implements core.Attempts: one statement for all subjects.
func (s *Store) CountAttempt(ctx context.Context, subjects []string, now, cutoff time.Time) ([]core.Attempt, error) {
	values, args := make([]string, len(subjects)), make([]any, 0, 2*len(subjects)+2)
	for i, subject := range subjects {
		values[i] = "(?, 1, ?)"
		args = append(args, subject, database.At(now))
	}
	args = append(args, database.At(cutoff), database.At(cutoff))
	var rows []attemptRow
	err := s.Conn(ctx).Raw(`INSERT INTO log_in_attempts (subject, attempts, since) VALUES `+strings.Join(values, ", ")+`
		ON CONFLICT (subject) DO UPDATE SET
			attempts = CASE WHEN log_in_attempts.since <= ? THEN 1 ELSE log_in_attempts.attempts + 1 END,
			since = CASE WHEN log_in_attempts.since <= ? THEN excluded.since ELSE log_in_attempts.since END
		RETURNING subject, attempts, since`, args...).Scan(&rows).Error
	return toAttempts(rows), err
}

// AttemptsSince implements core.Attempts.
func (s *Store) AttemptsSince(ctx context.Context, subjects []string, cutoff time.Time) ([]core.Attempt, error) {
	var rows []attemptRow
	err := s.Conn(ctx).Where("subject IN ? AND since > ?", subjects, database.At(cutoff)).Find(&rows).Error
	return toAttempts(rows), err
}

// TakeBack implements core.Attempts.
func (s *Store) TakeBack(ctx context.Context, subjects []string) error {
	return s.Conn(ctx).Exec("UPDATE log_in_attempts SET attempts = attempts - 1 WHERE subject IN ? AND attempts > 0", subjects).Error
}

// Forget implements core.Attempts.
func (s *Store) Forget(ctx context.Context, subject string) error {
	return s.Conn(ctx).Where("subject = ?", subject).Delete(&attemptRow{}).Error
}

type familiarRow struct {
	Subject   string `gorm:"primaryKey"`
	ExpiresAt database.Time
}

func (familiarRow) TableName() string { return "familiar_addresses" }

// IsFamiliar implements core.Attempts.
func (s *Store) IsFamiliar(ctx context.Context, subject string, now time.Time) (bool, error) {
	var rows []familiarRow
	err := s.Conn(ctx).Where("subject = ? AND expires_at > ?", subject, database.At(now)).Find(&rows).Error
	return len(rows) > 0, err
}

// Remember implements core.Attempts.
func (s *Store) Remember(ctx context.Context, subject string, until time.Time) error {
	return s.Conn(ctx).Exec(`INSERT INTO familiar_addresses (subject, expires_at) VALUES (?, ?)
		ON CONFLICT (subject) DO UPDATE SET expires_at = excluded.expires_at`, subject, database.At(until)).Error
}

func toAttempts(rows []attemptRow) []core.Attempt {
	out := make([]core.Attempt, len(rows))
	for i, r := range rows {
		out[i] = core.Attempt{Subject: r.Subject, Count: r.Attempts, Since: r.Since.Time}
	}
	return out
}
