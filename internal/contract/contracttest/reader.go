// Package contracttest reads messages as a program does that knows a contract only
// by its record, such as one of an older version.
package contracttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/contract"
)

// Reader reads by a recorded contract: what it requires must be there and of its
// type, what it does not know it leaves out.
type Reader struct {
	Contract *contract.Document
	AnyText  bool // also where only some values are known
}

// Load reads the contract of one module from a folder of records.
func Load(t testing.TB, dir, module string) *contract.Document {
	t.Helper()
	files, err := contract.ReadFolder(dir)
	require.NoError(t, err)
	set, _, err := files.Parse()
	require.NoError(t, err)
	require.NotNil(t, set[module], "%s is not recorded in %s", module, dir)
	return set[module]
}

// Method gives a recorded method; nil where the version had none of that name.
func (r Reader) Method(name string) *contract.Method {
	i := slices.IndexFunc(r.Contract.Methods, func(m contract.Method) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return &r.Contract.Methods[i]
}

// Event gives a recorded event; nil where the version had none of that name.
func (r Reader) Event(name string) *contract.Event {
	i := slices.IndexFunc(r.Contract.Events, func(e contract.Event) bool { return e.Name == name })
	if i < 0 {
		return nil
	}
	return &r.Contract.Events[i]
}

// Read gives what the version sees of a message. An error says why it cannot
// read it.
func (r Reader) Read(s *contract.Schema, body []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("it is no JSON: %w", err)
	}
	seen, err := r.value(s, v, "")
	if err != nil {
		return nil, err
	}
	return json.Marshal(seen)
}

func (r Reader) value(s *contract.Schema, v any, path string) (any, error) {
	for s.Ref != "" || len(s.AnyOf) > 0 {
		if s.Ref != "" {
			s = r.Contract.Defs[strings.TrimPrefix(s.Ref, "#/$defs/")]
		} else if v == nil {
			return nil, nil
		} else {
			s = s.AnyOf[0]
		}
	}
	wrong := func() (any, error) {
		return nil, fmt.Errorf("%s is %.60q, which is no %s %s", strings.TrimPrefix(path, "."), fmt.Sprint(v), s.Type, s.Format)
	}
	switch s.Type {
	case "string":
		text, ok := v.(string)
		if !ok || len(s.Enum) > 0 && !r.AnyText && !slices.Contains(s.Enum, text) {
			return wrong()
		}
		if s.Format == "date-time" {
			if _, err := time.Parse(time.RFC3339Nano, text); err != nil {
				return wrong()
			}
		}
	case "integer":
		n, ok := v.(json.Number)
		if !ok || strings.ContainsAny(n.String(), ".eE") {
			return wrong()
		}
	case "number":
		if _, ok := v.(json.Number); !ok {
			return wrong()
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			return wrong()
		}
	case "array":
		return r.list(s, v, path, wrong)
	case "object":
		return r.object(s, v, path, wrong)
	}
	return v, nil
}

func (r Reader) list(s *contract.Schema, v any, path string, wrong func() (any, error)) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return wrong()
	}
	seen := make([]any, len(list))
	for i, one := range list {
		var err error
		if seen[i], err = r.value(s.Items, one, fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return nil, err
		}
	}
	return seen, nil
}

func (r Reader) object(s *contract.Schema, v any, path string, wrong func() (any, error)) (any, error) {
	object, ok := v.(map[string]any)
	if !ok {
		return wrong()
	}
	for _, name := range s.Required {
		if object[name] == nil {
			return nil, fmt.Errorf("%s is missing", strings.TrimPrefix(path+"."+name, "."))
		}
	}
	seen := map[string]any{}
	for name, value := range object {
		inner := s.Properties[name]
		if s.Values != nil {
			inner = s.Values
		}
		if inner == nil {
			continue // written by another version
		}
		var err error
		if seen[name], err = r.value(inner, value, path+"."+name); err != nil {
			return nil, err
		}
	}
	return seen, nil
}
