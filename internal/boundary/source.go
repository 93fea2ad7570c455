package boundary

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

var moduleLine = regexp.MustCompile(`(?m)^module\s+"?([^\s"]+)"?`)

// FindSource gives the root of the source tree and the path of its Go module.
// Where dir is empty it is looked for in the working directory and above.
func FindSource(dir string) (root, module string, err error) {
	if dir == "" {
		if dir, err = above(); err != nil {
			return "", "", err
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("%s is no source tree: it has no go.mod; name the folder of the repository with --source", dir)
	}
	if err != nil {
		return "", "", fmt.Errorf("read the source tree: %w", err)
	}
	m := moduleLine.FindSubmatch(text)
	if m == nil {
		return "", "", fmt.Errorf("%s names no module", filepath.Join(dir, "go.mod"))
	}
	if info, err := os.Stat(filepath.Join(dir, "modules")); err != nil || !info.IsDir() {
		return "", "", fmt.Errorf("%s has no folder modules, so there is nothing to take out; name another tree with --source", dir)
	}
	return dir, string(m[1]), nil
}

func above() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the source tree: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no source tree here: neither %s nor a folder above it has a go.mod; run it in the repository, or name that with --source", start)
		}
	}
}
