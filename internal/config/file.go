package config

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

var anchor = regexp.MustCompile(`anchor '.*'`)

// parseFile reads the YAML of a settings file. It walks the nodes instead of
// decoding into a map, so that every problem can name its line.
func parseFile(path string, text []byte, keys []Key) (layer, []Problem, error) {
	l := newLayer()
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		// What YAML says of an anchor quotes the value, which may be a password.
		said := anchor.ReplaceAllString(err.Error(), "anchor '…' (put a value that begins with * or & in quotes)")
		return l, nil, fmt.Errorf("read the settings file %s: %s", path, said)
	}
	if len(doc.Content) == 0 { // empty, or only comments
		return l, nil, nil
	}
	w := walker{path: path, layer: l, names: keyNames(keys), leaf: map[string]bool{}, group: map[string]bool{}, seen: map[string]int{}}
	for _, name := range w.names {
		w.leaf[name] = true
		for i, c := range name {
			if c == '.' {
				w.group[name[:i]] = true
			}
		}
	}
	if root := doc.Content[0]; root.Kind == yaml.MappingNode {
		w.mapping(root, "")
	} else if root.Tag != "!!null" {
		w.problem(root.Line, "", "the file must be a group of settings such as `http:` and below it `  addr: …`")
	}
	return w.layer, w.problems, nil
}

type walker struct {
	path        string
	layer       layer
	names       []string
	leaf, group map[string]bool
	seen        map[string]int // key → line
	problems    []Problem
}

func (w *walker) problem(line int, key, format string, args ...any) {
	w.problems = append(w.problems, Problem{Where: fmt.Sprintf("%s:%d", w.path, line), Key: key, Detail: fmt.Sprintf(format, args...)})
}

func (w *walker) mapping(n *yaml.Node, prefix string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		key := prefix + name.Value
		if value.Kind == yaml.AliasNode { // may contain itself, so it is never followed
			w.problem(name.Line, key, "YAML aliases are not supported here; write the value out")
			continue
		}
		if line, again := w.seen[key]; again {
			w.problem(name.Line, key, "is set twice; the first is on line %d", line)
			continue
		}
		w.seen[key] = name.Line
		switch {
		case w.leaf[key]:
			w.value(key, name.Line, value)
		case w.group[key] && value.Kind == yaml.MappingNode:
			w.mapping(value, key+".")
		case w.group[key] && value.Tag == "!!null": // all below it is commented out
		case w.group[key]:
			w.problem(name.Line, key, "is a group of settings, not one; known below it: %s", strings.Join(w.below(key), ", "))
		case value.Kind == yaml.MappingNode && len(value.Content) > 0:
			w.mapping(value, key+".") // reports what is in it, with the likeliest spelling
		default:
			w.problem(name.Line, key, "no such setting%s", suggest(key, w.names))
		}
	}
}

func (w *walker) value(key string, line int, n *yaml.Node) {
	var v any
	if n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		v = n.Value // as written: 1e3, 0x10 and on are judged by the setting's own type
	} else if err := n.Decode(&v); err != nil {
		w.problem(line, key, "cannot be read: %v", err)
		return
	}
	w.layer.values[key] = v
	w.layer.where[key] = origin{"file", fmt.Sprintf("%s:%d", w.path, line)}
}

func (w *walker) below(group string) []string {
	var names []string
	for _, name := range w.names {
		if strings.HasPrefix(name, group+".") {
			names = append(names, name)
		}
	}
	return names
}
