// Package run starts the parts of a process in order and stops them in reverse.
package run

import "context"

// Task is work that goes on until its context ends: a relay, a timer, a server.
// Run returns nil after a stop that was asked for; an error ends the process.
type Task struct {
	Name string
	Run  func(ctx context.Context) error
}
