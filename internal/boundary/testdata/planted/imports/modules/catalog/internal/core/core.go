// Package core is catalog's own.
package core

var Secret = 1
