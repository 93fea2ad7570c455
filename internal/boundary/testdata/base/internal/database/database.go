// Package database is as much of the kit as the corpus needs.
package database

import (
	"context"

	"gorm.io/gorm"
)

type DB struct{ gorm *gorm.DB }

type Cluster struct{}

type Migrations struct{ Name string }

func (c *Cluster) Module(ctx context.Context, name string) (*DB, error) { return nil, nil }

func (db *DB) Atomic(ctx context.Context, fn func(ctx context.Context) error) error { return fn(ctx) }

func (db *DB) AfterCommit(ctx context.Context, fn func()) { fn() }

func (db *DB) Conn(ctx context.Context) *gorm.DB { return db.gorm }

func Detach(ctx context.Context) context.Context { return ctx }
