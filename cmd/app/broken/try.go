package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"github.com/banyan-tree/banyan/internal/patched"
)

// try applies the breakage to copies and notes which tests noticed. Nobody
// noticing is no error here. Each suite must notice by itself: an inner test that
// turns red says nothing of the one that looks from outside.
func (b *breakage) try(ctx context.Context, root string) error {
	dir, err := os.MkdirTemp("", "banyan-broken-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	overlay, err := patched.Overlay(ctx, root, b.patch, dir)
	if err != nil {
		return err
	}
	for _, s := range b.Tests {
		out, err := test(ctx, root, []string{"GOFLAGS=-overlay=" + overlay}, s)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		red, why := failures(out)
		switch {
		case why != nil:
			return fmt.Errorf("%w\n%s", why, out)
		case err == nil:
			b.Missed = append(b.Missed, s.pkg+" "+s.run+" stays green")
			continue
		case len(red) == 0:
			return fmt.Errorf("go test failed, but no test did: %w\n%s", err, out)
		case !says(out, s.says):
			b.Missed = append(b.Missed, fmt.Sprintf("%s %s is red, but does not say %q:\n%s", s.pkg, s.run, s.says, out))
			continue
		}
		for _, name := range red {
			b.Caught = append(b.Caught, strings.TrimPrefix(s.pkg, "./")+" "+name)
		}
	}
	return nil
}

// test runs the tests of a suite. An error says that some failed.
func test(ctx context.Context, root string, env []string, s suite) (string, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-timeout=5m", "-run", s.run, s.pkg)
	// A test that is left out for want of a server would look like one that sees nothing,
	// and so would one of a program that somebody has built before, whole.
	cmd.Dir, cmd.Env = root, append(append(os.Environ(), "BANYAN_TEST_REQUIRE=all", "BANYAN_TEST_APP="), env...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	err := cmd.Run()
	return out.String(), err
}

// says tells whether tests printed what they must, in a line or over several.
func says(out, what string) bool {
	return what == "" || regexp.MustCompile("(?s)"+what).MatchString(out)
}

var failed = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

// failures names the tests that turned red. An error tells that the breakage is
// no program: a compiler proves nothing about tests.
func failures(out string) ([]string, error) {
	if strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]") || strings.Contains(out, "build ./cmd/app:") {
		return nil, errors.New("with the patch it does not compile")
	}
	if strings.Contains(out, "[no tests to run]") {
		return nil, errors.New("no test has the name that the patch gives")
	}
	var red []string
	for _, m := range failed.FindAllStringSubmatch(out, -1) {
		if !slices.Contains(red, m[1]) {
			red = append(red, m[1])
		}
	}
	if len(red) == 0 && strings.Contains(out, "\npanic: ") {
		red = []string{"(the whole test binary)"}
	}
	return red, nil
}

// unbroken runs every suite as it is. Red without a fault proves nothing.
func unbroken(ctx context.Context, root string, all []breakage, out io.Writer) error {
	var seen []suite
	for _, b := range all {
		for _, s := range b.Tests {
			if s.says = ""; !slices.Contains(seen, s) {
				seen = append(seen, s)
			}
		}
	}
	for i, s := range seen {
		_, _ = fmt.Fprintf(out, "sound %d/%d  %s %s\n", i+1, len(seen), s.pkg, s.run)
		if text, err := test(ctx, root, nil, s); err != nil {
			return fmt.Errorf("%s is red without any breakage: mend that first\n%s", s.pkg, text)
		}
	}
	return nil
}
