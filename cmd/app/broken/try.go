package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// try applies the breakage to copies and notes which tests noticed. Nobody
// noticing is no error here.
func (b *breakage) try(ctx context.Context, root string) error {
	dir, err := os.MkdirTemp("", "banyan-broken-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	overlay, err := b.apply(ctx, root, dir)
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
			continue
		case len(red) == 0:
			return fmt.Errorf("go test failed, but no test did: %w\n%s", err, out)
		}
		for _, name := range red {
			b.Caught = append(b.Caught, strings.TrimPrefix(s.pkg, "./")+" "+name)
		}
	}
	return nil
}

// apply copies the files, patches the copies, and writes the overlay that puts
// them in the place of the originals. It gives the overlay's path.
func (b *breakage) apply(ctx context.Context, root, dir string) (string, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for _, file := range b.Files {
		text, err := os.ReadFile(filepath.Join(root, file)) //nolint:gosec // a file of this repository
		if err != nil {
			return "", fmt.Errorf("the patch changes a file that is gone: %w", err)
		}
		copied := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(copied), 0o700); err != nil {
			return "", err
		}
		if err := os.WriteFile(copied, text, 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, file)] = copied
	}
	patch, err := filepath.Abs(b.patch)
	if err != nil {
		return "", err
	}
	// In a folder that is no repository, git only patches the files that it finds.
	git := exec.CommandContext(ctx, "git", "apply", "--whitespace=nowarn", patch)
	git.Dir, git.Env = dir, append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
	if out, err := git.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the code has moved on and the patch does not fit any more: make the same fault in today's code and write `git diff` into %s\n%s", b.patch, out)
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

// test runs the tests of a suite. An error says that some failed.
func test(ctx context.Context, root string, env []string, s suite) (string, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-timeout=5m", "-run", s.run, s.pkg)
	// A test that is left out for want of a server would look like one that sees nothing.
	cmd.Dir, cmd.Env = root, append(append(os.Environ(), "BANYAN_TEST_REQUIRE=all"), env...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	err := cmd.Run()
	return out.String(), err
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
			if !slices.Contains(seen, s) {
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
