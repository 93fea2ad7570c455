package main

import (
	"runtime"
	"runtime/debug"
)

// releaseStart gives back what only starting needed: the reader of migrations
// alone keeps buffers of 4 MB each, and a heap that was once that large is
// collected late. Its pools are emptied by the second collection.
func releaseStart() {
	runtime.GC()
	debug.FreeOSMemory()
}
