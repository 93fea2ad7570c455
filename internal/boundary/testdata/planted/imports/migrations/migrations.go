// Package migrations hands out SQL.
package migrations

var Files int
