package main

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/boundary"
	"github.com/banyan-tree/banyan/internal/contract"
	"github.com/banyan-tree/banyan/internal/contract/contracttest"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/port/porttest"
)

// TestSchemasTellTheTruth writes random values of every message and reads them by
// the recorded schemas, which must know each field, and require exactly what the
// real reader of messages requires.
func TestSchemasTellTheTruth(t *testing.T) {
	t.Parallel()
	root, _, err := boundary.FindSource("")
	require.NoError(t, err)
	looked, left := 0, 0
	for _, m := range published() {
		r := contracttest.Reader{Contract: contracttest.Load(t, filepath.Join(root, "docs", "contracts"), m.Name), AnyText: true}
		check := func(what string, s *contract.Schema, typ reflect.Type) {
			require.NotNil(t, s, what)
			looked++
			for _, v := range porttest.Random(typ, 20) {
				body, err := port.Encode(v.Interface())
				require.NoError(t, err)
				seen, err := r.Read(s, body)
				require.NoError(t, err, "%s: %s", what, body)
				require.JSONEq(t, string(body), string(seen), what)
				left += leaveOut(t, what, r.Contract.Defs[strings.TrimPrefix(s.Ref, "#/$defs/")], body, typ)
			}
		}
		for _, p := range m.Methods {
			req, rep := p.Types()
			known := r.Method(p.Spec().Name)
			require.NotNil(t, known, p.Spec().Name)
			check(known.Name+" request", known.Request, req)
			check(known.Name+" reply", known.Reply, rep)
		}
		for _, e := range m.Events {
			known := r.Event(e.Name())
			require.NotNil(t, known, e.Name())
			check(known.Name, known.Data, e.Data())
		}
	}
	require.Greater(t, looked, 100)
	require.Greater(t, left, 2000)
}

// leaveOut leaves out one field after the other: who reads messages must miss it if,
// and only if, the schema requires it.
func leaveOut(t *testing.T, what string, s *contract.Schema, body []byte, typ reflect.Type) (times int) {
	t.Helper()
	if s == nil {
		return 0
	}
	var all map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(body, &all))
	for name, value := range all {
		delete(all, name)
		less, err := json.Marshal(all)
		require.NoError(t, err)
		err = port.Decode(less, reflect.New(typ).Interface())
		require.Equal(t, slices.Contains(s.Required, name), err != nil, "%s without %s: %v", what, name, err)
		all[name] = value
		times++
	}
	return times
}

// TestPreviousVersionsAreKept compares with what the versions before promised:
// those that may run beside these.
func TestPreviousVersionsAreKept(t *testing.T) {
	t.Parallel()
	root, _, err := boundary.FindSource("")
	require.NoError(t, err)
	code, out, problems := contractsOn(t, "check", "--against", filepath.Join(root, "docs", "contracts", "previous"))
	require.Equal(t, exitOK, code, "%s\n%s", out, problems)
	require.Contains(t, out, "addition  field-added  payments.Payment.deposit_id")
}
