package store

import "example.com/shop/migrations" // want imports "imports migrations"

var _ = migrations.Files
