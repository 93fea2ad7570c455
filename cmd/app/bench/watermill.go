package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// mill is Watermill on the same work, in a process of its own: its libraries are in
// the module tools/watermill and never in ours.
type mill struct {
	program, postgres, broker string
	lanes                     int
}

var _ carrier = (*mill)(nil)

func (*mill) end() error { return nil } // each run is a process that ended

// buildWatermill gives the program; "" where it cannot be built.
func (b *bench) buildWatermill(ctx context.Context) string {
	b.progress.say("building Watermill's side")
	program := filepath.Join(b.dir, "watermill")
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/banyan-tree/banyan").Output()
	if err == nil {
		cmd := exec.CommandContext(ctx, "go", "build", "-C", filepath.Join(string(bytes.TrimSpace(root)), "tools", "watermill"), "-o", program, ".") //nolint:gosec // our own module
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		var out []byte
		if out, err = cmd.CombinedOutput(); err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
	}
	if err != nil {
		b.progress.line("WATERMILL IS LEFT OUT, and with it a bar: tools/watermill cannot be built: %v", err)
		return ""
	}
	return program
}

// milled is what the program prints.
type milled struct {
	Seconds float64   `json:"seconds"`
	Lags    []float64 `json:"lags_ms"`
}

func (m *mill) throughput(ctx context.Context, n int) (time.Duration, error) {
	got, err := m.run(ctx, n)
	return time.Duration(got.Seconds * float64(time.Second)), err
}

func (m *mill) latency(ctx context.Context, n int) (figures, error) {
	got, err := m.run(ctx, n, "--rate=300")
	return got.Lags, err
}

func (m *mill) run(ctx context.Context, n int, more ...string) (got milled, err error) {
	args := append([]string{"--postgres=" + m.postgres, "--amqp=" + m.broker, "--writers=" + strconv.Itoa(writers),
		"--lanes=" + strconv.Itoa(m.lanes), "--events=" + strconv.Itoa(n)}, more...)
	cmd := exec.CommandContext(ctx, m.program, args...) //nolint:gosec // built for this run
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return got, err
	}
	return got, json.Unmarshal(out, &got)
}
