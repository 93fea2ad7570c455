package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
)

const (
	envPrefix = "BANYAN_"

	// DefaultFile is read when it is there and no other file is named.
	DefaultFile = "banyan.yaml"
)

// foreign are variables with our prefix that are no settings of the program.
var foreign = [...]string{"BANYAN_TEST_", "BANYAN_BENCH_"}

// Options say where settings are looked for.
type Options struct {
	File    string            // named by --config, then it must exist; empty: DefaultFile if it is there
	Environ []string          // "NAME=value"; nil: the process's own. An empty value counts as not set.
	Flags   map[string]string // by key ("http.addr"); only those that were given
	Modules []string          // names allowed in modules, besides all; nil: not checked
}

// Problem is one thing wrong with the settings.
type Problem struct {
	Where  string `json:"where"` // "banyan.yaml:12", "BANYAN_HTTP_ADDR", "--http-addr", "default"
	Key    string `json:"key"`
	Detail string `json:"detail"` // what is wrong and what is allowed
}

func (p Problem) String() string {
	if p.Key == "" || p.Key == p.Where {
		return p.Where + ": " + p.Detail
	}
	return p.Where + ": " + p.Key + ": " + p.Detail
}

// Error lists all that is wrong, not just the first.
type Error struct{ Problems []Problem }

func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = "  " + p.String()
	}
	noun := "problems"
	if len(lines) == 1 {
		noun = "problem"
	}
	return fmt.Sprintf("%d %s in the settings:\n%s", len(lines), noun, strings.Join(lines, "\n"))
}

// origin is where a value came from.
type origin struct{ kind, where string }

// layer is what one place says, by key.
type layer struct {
	values map[string]any
	where  map[string]origin
}

func newLayer() layer { return layer{values: map[string]any{}, where: map[string]origin{}} }

// Load reads the settings from all layers and checks them. The error is *Error
// when settings are wrong, and then lists every problem.
func Load(o Options) (Config, error) {
	keys := Keys()
	var problems []Problem
	layers := make([]layer, 0, 3)

	file, bad, err := readFile(o.File, keys)
	if err != nil {
		return Config{}, err
	}
	layers, problems = append(layers, file), append(problems, bad...)

	environ := o.Environ
	if environ == nil {
		environ = os.Environ()
	}
	env, bad := readEnv(environ, keys)
	layers, problems = append(layers, env), append(problems, bad...)

	flags, bad := readFlags(o.Flags, keys)
	layers, problems = append(layers, flags), append(problems, bad...)

	merged := koanf.New("\x00") // keys are whole paths, not split again
	origins := map[string]origin{}
	for _, l := range layers {
		if err := merged.Load(confmap.Provider(l.values, ""), nil); err != nil {
			return Config{}, fmt.Errorf("merge settings: %w", err)
		}
		maps.Copy(origins, l.where)
	}

	cfg := Defaults()
	cfg.origins = origins
	root := reflect.ValueOf(&cfg).Elem()
	unreadable := map[string]bool{}
	for _, k := range keys {
		if _, set := origins[k.Name]; !set {
			continue
		}
		raw := merged.Get(k.Name)
		v, err := decode(k, raw)
		if err != nil {
			problems = append(problems, Problem{
				Where: origins[k.Name].where, Key: k.Name, Detail: quoted(k, fmt.Sprint(raw)) + " " + err.Error(),
			})
			unreadable[k.Name] = true
			continue
		}
		root.FieldByIndex(k.index).Set(v)
	}
	for _, p := range check(cfg, keys, o.Modules) {
		if !unreadable[p.Key] {
			problems = append(problems, p)
		}
	}
	if len(problems) > 0 {
		return Config{}, &Error{Problems: problems}
	}
	return cfg, nil
}

func readEnv(environ []string, keys []Key) (layer, []Problem) {
	l := newLayer()
	byEnv := make(map[string]Key, len(keys))
	for _, k := range keys {
		byEnv[k.Env] = k
	}
	names := slices.Sorted(maps.Keys(byEnv))
	var problems []Problem
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, envPrefix) || slices.ContainsFunc(foreign[:], func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		k, known := byEnv[name]
		switch {
		case !known:
			problems = append(problems, Problem{Where: name, Detail: "no such setting" + suggest(name, names)})
		case value != "":
			l.values[k.Name] = value
			l.where[k.Name] = origin{"env", name}
		}
	}
	return l, problems
}

func readFlags(flags map[string]string, keys []Key) (layer, []Problem) {
	l := newLayer()
	var problems []Problem
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		i := slices.IndexFunc(keys, func(k Key) bool { return k.Name == name })
		if i < 0 {
			problems = append(problems, Problem{Where: "--" + name, Detail: "no such setting" + suggest(name, keyNames(keys))})
			continue
		}
		l.values[name] = flags[name]
		l.where[name] = origin{"flag", "--" + keys[i].Flag}
	}
	return l, problems
}

func readFile(path string, keys []Key) (layer, []Problem, error) {
	named := path != ""
	if !named {
		path = DefaultFile
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return newLayer(), nil, nil
	}
	if err != nil {
		return layer{}, nil, fmt.Errorf("read the settings file: %w", err)
	}
	return parseFile(path, text, keys)
}

func suggest(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return "; did you mean " + near + "?"
	}
	return "; `app config show` lists all"
}

func keyNames(keys []Key) []string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.Name
	}
	return names
}
