package audit

import "context"

type watcher struct{}

type leaver struct{}

// UnderWay tells of how many more things a check cannot say yet whether they are right:
// they changed just now, or are not at their end. They do not count as examined.
func UnderWay(ctx context.Context, n int) {
	if fn, ok := ctx.Value(leaver{}).(func(int)); ok {
		fn(n)
	}
}

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
