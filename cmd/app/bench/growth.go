package main

import (
	"errors"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// growth is by how much this process grew at most, in MB.
type growth struct{ resident, heap float64 }

// memoryWatch looks at this process again and again.
type memoryWatch struct {
	done  chan struct{}
	tasks sync.WaitGroup
	looks atomic.Int64
	most  growth
	err   error
}

// watchMemory begins with what is left when everything free was given back.
func watchMemory() *memoryWatch {
	debug.FreeOSMemory()
	w := &memoryWatch{done: make(chan struct{})}
	first, err := held()
	w.err = err
	w.tasks.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			now, err := held()
			w.err = errors.Join(w.err, err)
			w.most.resident = max(w.most.resident, now.resident-first.resident)
			w.most.heap = max(w.most.heap, now.heap-first.heap)
			w.looks.Add(1)
			select {
			case <-w.done:
				return
			case <-tick.C:
			}
		}
	})
	return w
}

func (w *memoryWatch) end() (growth, error) {
	close(w.done)
	w.tasks.Wait()
	return w.most, w.err
}

// held is what the process has: pages that are resident, and objects on the heap,
// those among them that nobody holds any more and that were not collected yet.
func held() (growth, error) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return growth{}, err
	}
	fields := strings.Fields(string(raw))
	if len(fields) < 2 {
		return growth{}, errors.New("/proc/self/statm tells no resident pages")
	}
	pages, err := strconv.ParseFloat(fields[1], 64)
	return growth{pages * float64(os.Getpagesize()) / 1e6, float64(sample[0].Value.Uint64()) / 1e6}, err
}
