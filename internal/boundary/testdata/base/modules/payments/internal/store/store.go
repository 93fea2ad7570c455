// Package store keeps payments.
package store

import "example.com/shop/internal/database"

type Store struct{ *database.DB }

func New(db *database.DB) *Store { return &Store{DB: db} }

type PaymentRow struct{ ID string }

func (PaymentRow) TableName() string { return "payments" }
