// Package run starts the parts of a process in order and stops them in reverse.
//
// What belongs here: order, readiness, signals, the deadline of stopping. What
// does not: what any part does.
package run

import "context"

// Task is work that goes on until its context ends: a relay, a timer, a server.
// Run returns nil after a stop that was asked for; an error ends the process.
type Task struct {
	Name string
	Run  func(ctx context.Context) error

	// Ready, if set, waits until the task is of use to others (a listener is
	// bound), or its context ends. Tasks after this one start only then.
	Ready func(ctx context.Context) error

	// Stop, if set, is called before the task's context ends and may take until
	// its own does: to let requests in flight finish, for example.
	Stop func(ctx context.Context) error
}
