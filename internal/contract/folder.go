package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Files beside the documents of the modules.
const (
	AcceptedFile = "accepted.json"
	AsyncAPIFile = "asyncapi.json"
)

// Files of a folder of contracts: name to text.
type Files map[string][]byte

// Print gives the files that record a set.
func (s Set) Print(accepted []Acceptance, asyncapi any) (Files, error) {
	files := Files{}
	put := func(name string, v any) error {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(v); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		files[name] = b.Bytes()
		return nil
	}
	for name, d := range s {
		if err := put(name+".json", d); err != nil {
			return nil, err
		}
	}
	if len(accepted) > 0 {
		if err := put(AcceptedFile, accepted); err != nil {
			return nil, err
		}
	}
	return files, put(AsyncAPIFile, asyncapi)
}

// Parse reads what Print gave.
func (f Files) Parse() (Set, []Acceptance, error) {
	set, accepted := Set{}, []Acceptance{}
	for name, text := range f {
		switch name {
		case AsyncAPIFile:
			continue
		case AcceptedFile:
			if err := json.Unmarshal(text, &accepted); err != nil {
				return nil, nil, fmt.Errorf("read %s: %w", name, err)
			}
			continue
		}
		d := &Document{}
		if err := json.Unmarshal(text, d); err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", name, err)
		}
		if d.Module+".json" != name {
			return nil, nil, fmt.Errorf("read %s: it is of the module %q; each module has a file of its own name", name, d.Module)
		}
		if err := d.check(); err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", name, err)
		}
		set[d.Module] = d
	}
	return set, accepted, nil
}

// check finds what nobody wrote that way.
func (d *Document) check() error {
	for _, m := range d.Methods {
		if m.Name == "" || m.Request == nil || m.Reply == nil {
			return fmt.Errorf("the method %q lacks its name, request or reply", m.Name)
		}
	}
	for _, e := range d.Events {
		if e.Name == "" || e.Data == nil {
			return fmt.Errorf("the event %q lacks its name or data", e.Name)
		}
	}
	return nil
}

// ReadFolder reads the contracts that are recorded in a folder.
func ReadFolder(dir string) (Files, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the recorded contracts: %w", err)
	}
	files := Files{}
	for _, e := range entries {
		if e.IsDir() || path.Ext(e.Name()) != ".json" {
			continue
		}
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			return nil, fmt.Errorf("read the recorded contracts: %w", err)
		}
	}
	return files, nil
}

// ErrNoRecord says that a commit has no contracts recorded.
var ErrNoRecord = errors.New("no contracts are recorded there")

// ReadGit reads the contracts that were recorded in a folder of the repository
// at a commit, a branch or a tag.
func ReadGit(ctx context.Context, root, ref, dir string) (Files, error) {
	if strings.HasPrefix(ref, "-") {
		return nil, fmt.Errorf("%q is no name of a commit", ref)
	}
	git := func(args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...) //nolint:gosec // the operator's own words
		var complaint bytes.Buffer
		cmd.Stderr = &complaint
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("git %s: %w: %s", args[0], err, bytes.TrimSpace(complaint.Bytes()))
		}
		return out, nil
	}
	var ended *exec.ExitError
	if _, err := git("rev-parse", "--verify", "--quiet", ref+"^{commit}"); errors.As(err, &ended) && ended.ExitCode() == 1 {
		return nil, fmt.Errorf("%q is neither a folder nor a commit of this clone", ref) // which is all that --quiet says
	} else if err != nil {
		return nil, fmt.Errorf("%q is neither a folder nor a commit of this clone: %w", ref, err)
	}
	dir = path.Clean(filepath.ToSlash(dir))
	list, err := git("ls-tree", "--name-only", ref, dir+"/")
	if err != nil {
		return nil, err
	}
	files := Files{}
	for name := range strings.Lines(string(list)) {
		if name = strings.TrimSpace(name); path.Ext(name) != ".json" {
			continue
		}
		if files[path.Base(name)], err = git("show", ref+":"+name); err != nil {
			return nil, err
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s of %s: %w", dir, ref, ErrNoRecord)
	}
	return files, nil
}

// WriteFolder makes the folder hold these documents and no others.
func (f Files) WriteFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // a part of the repository
		return fmt.Errorf("record the contracts: %w", err)
	}
	old, err := ReadFolder(dir)
	if err != nil {
		return err
	}
	for name := range old {
		if f[name] == nil {
			if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("record the contracts: %w", err)
			}
		}
	}
	for name, text := range f {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil { //nolint:gosec // a part of the repository
			return fmt.Errorf("record the contracts: %w", err)
		}
	}
	return nil
}

// Stale names the files of a folder that are not as they should be, sorted.
func (f Files) Stale(recorded Files) []string {
	var list []string
	for _, name := range keysOf(f, recorded) {
		if !bytes.Equal(f[name], recorded[name]) {
			list = append(list, name)
		}
	}
	return slices.Clip(list)
}
