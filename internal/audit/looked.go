package audit

import "context"

type watcher struct{}

// Watched gives a context in which checks tell how many things they have looked at
// so far, for who waits for a long one.
func Watched(ctx context.Context, fn func(examined int)) context.Context {
	return context.WithValue(ctx, watcher{}, fn)
}

// Looked tells how many things a check has looked at; without a watcher nobody hears.
func Looked(ctx context.Context, examined int) {
	if fn, ok := ctx.Value(watcher{}).(func(int)); ok {
		fn(examined)
	}
}
