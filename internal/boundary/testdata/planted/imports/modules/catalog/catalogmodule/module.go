// Package catalogmodule is a door.
package catalogmodule

func New() {}
