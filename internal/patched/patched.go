// Package patched gives the compiler files as a patch changes them, in the place of
// the originals, which stay as they are. So a broken or another version of the
// program can be built beside this one.
//
// What belongs here: copies, patches and overlays. What does not: which version it
// is, and what it is good for. Only tests and tools of the house import it.
package patched

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Overlay copies the files that a patch changes into dir, patches the copies, and
// writes the file for the compiler's flag -overlay, whose path it gives. root is the
// folder of go.mod.
func Overlay(ctx context.Context, root, patch, dir string) (string, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	patch, err = filepath.Abs(patch)
	if err != nil {
		return "", err
	}
	files, err := changed(patch)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for _, file := range files {
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
	// In a folder that is no repository, git only patches the files that it finds.
	git := exec.CommandContext(ctx, "git", "apply", "--whitespace=nowarn", patch)
	git.Dir, git.Env = dir, append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
	if out, err := git.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the code has moved on and the patch does not fit any more: make the same change in today's code and write `git diff` into %s\n%s", patch, out)
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

// changed names the files that a patch changes.
func changed(patch string) (files []string, err error) {
	text, err := os.ReadFile(patch) //nolint:gosec // a file of this repository
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(text) {
		if file, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "+++ b/"); ok {
			files = append(files, file)
		}
	}
	if len(files) == 0 {
		return nil, errors.New(patch + " changes no file: it needs what `git diff` prints")
	}
	return files, nil
}
