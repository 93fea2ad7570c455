//go:build race

package shoptest

// raced: these tests look for races, and so must the shops.
const raced = true
