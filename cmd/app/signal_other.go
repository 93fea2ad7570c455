//go:build !unix

package main

// outliveFileLimit does nothing where there is no such limit.
func outliveFileLimit() {}
