//go:build !race

package shoptest

const raced = false
