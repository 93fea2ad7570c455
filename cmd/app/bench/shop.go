package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// The admin of a measured shop.
const (
	adminEmail    = "bench@banyan.example"
	adminPassword = "correct horse battery staple"
)

// patience is the longest that anything but the measured work may take.
const patience = 2 * time.Minute

// site is where a shop keeps its data.
type site struct {
	b        *bench
	name     string // "SQLite", "PostgreSQL"
	data     string
	settings []string // BANYAN_X=value
}

// site makes an empty place for a shop; url is empty for SQLite.
func (b *bench) site(name, url string, settings ...string) (site, error) {
	data, err := os.MkdirTemp(b.dir, "data.")
	if err != nil {
		return site{}, err
	}
	return site{b: b, name: name, data: data, settings: append([]string{
		"BANYAN_DATA_DIR=" + data, "BANYAN_HTTP_ADDR=127.0.0.1:0", "BANYAN_OPS_ADDR=127.0.0.1:0", "BANYAN_LOG_LEVEL=warn",
		"BANYAN_IDENTITY_ISSUER=http://shop.example", "BANYAN_DATABASE_URL=" + url,
	}, settings...)}, nil
}

// admin are the settings of a shop that makes its admin at each start.
func admin() []string {
	return []string{"BANYAN_ADMIN_EMAIL=" + adminEmail, "BANYAN_ADMIN_PASSWORD=" + adminPassword}
}

// command prepares the binary; no settings but those of the site count.
func (s site) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.b.binary, args...)
	cmd.Dir = s.data
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "BANYAN_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, s.settings...)
	return cmd
}

// app runs a command of the binary to its end and gives what it printed.
func (s site) app(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := s.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("app %s: %w\n%s%s", strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

// shop is a running "app serve".
type shop struct {
	site
	http, ops string        // http://host:port
	opened    time.Duration // from its start until it said that it is open
	cmd       *exec.Cmd
	exited    chan struct{} // closed when the process is over
	log       *bytes.Buffer // its standard error, to be read when it is over
}

// serve starts a shop and waits until it is open.
func (s site) serve(ctx context.Context, args ...string) (*shop, error) {
	p := &shop{site: s, exited: make(chan struct{}), log: &bytes.Buffer{}}
	p.cmd = s.command(context.WithoutCancel(ctx), append([]string{"serve"}, args...)...)
	p.cmd.Stderr = p.log
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout = w
	start := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, r.Close(), w.Close())
	}
	_ = w.Close() // the child has its own
	greeting := make(chan string, 1)
	go greet(r, greeting)
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		close(p.exited)
	}()
	select {
	case text := <-greeting:
		p.opened = time.Since(start)
		p.http, p.ops = address("docs", text), address("metrics", text)
		return p, nil
	case <-p.exited:
		return nil, fmt.Errorf("the shop did not start: %s\n%s", p.cmd.ProcessState, p.log)
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.exited
		return nil, fmt.Errorf("the shop was not open after %s\n%s", patience, p.log)
	}
}

// greet reads what the shop prints until it says how to stop it, and reads on so
// that the shop can never block.
func greet(r *os.File, greeting chan<- string) {
	defer func() { _ = r.Close() }()
	lines, text := bufio.NewScanner(r), strings.Builder{}
	for lines.Scan() {
		text.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "Stop with") {
			greeting <- text.String()
			break
		}
	}
	_, _ = io.Copy(io.Discard, r)
}

func address(what, greeting string) string {
	found := regexp.MustCompile(`(?m)^\s+` + what + `\s+(http://[^/]+)/`).FindStringSubmatch(greeting)
	if found == nil {
		return ""
	}
	return found[1]
}

// stop ends the shop as an operator does.
func (p *shop) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.exited
		return fmt.Errorf("the shop did not stop within %s\n%s", patience, p.log)
	}
	if !p.cmd.ProcessState.Success() {
		return fmt.Errorf("the shop left with %s\n%s", p.cmd.ProcessState, p.log)
	}
	return nil
}

// catalogue writes a CSV of products with one variant each, SKUs BENCH-00001 and on.
func (b *bench) catalogue(products int) (string, error) {
	name := filepath.Join(b.dir, fmt.Sprintf("catalogue-%d.csv", products))
	f, err := os.Create(name) //nolint:gosec // in a folder of our own
	if err != nil {
		return "", err
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,Variant Grams,Variant Inventory Qty,Variant Price,Image Src,Image Position,Status")
	for n := 1; n <= products; n++ {
		fmt.Fprintf(w, "bench-%05d,Bench plant %d,<p>A plant for measuring. It wants a bright window and a good drink once a week.</p>,Bench Nursery %d,Plants,\"indoor, bench\",true,Size,Small,%s,1200,%d,%d.50,https://demo.banyan.example/img/bench-%05d.svg,1,active\n",
			n, n, n%20, sku(n), stocked, 5+n%90, n)
	}
	return name, errors.Join(w.Flush(), f.Close())
}

// stocked is how many there are of each SKU at first.
const stocked = 1_000_000

func sku(n int) string { return fmt.Sprintf("BENCH-%05d", n) }
