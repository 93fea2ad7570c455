package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/boundary"
	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/contract"
)

// surveyed is the source as all these tests read it, once.
var surveyed = sync.OnceValues(func() (*boundary.Survey, error) {
	_, survey, err := readSource("")
	return survey, err
})

func contractsOn(t *testing.T, args ...string) (code int, out, problems string) {
	t.Helper()
	cmd := contractsCommand(func(source string) (string, *boundary.Survey, error) {
		root, _, err := boundary.FindSource(source)
		if err != nil {
			return "", nil, err
		}
		survey, err := surveyed()
		return root, survey, err
	})
	var o strings.Builder
	cmd.SetArgs(args)
	cmd.SetOut(&o)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(t.Context())
	var asked exit
	switch {
	case err == nil:
		return exitOK, o.String(), ""
	case errors.As(err, &asked):
		return asked.code, o.String(), asked.message
	}
	return exitFailed, o.String(), err.Error()
}

// TestContractsAreKept is the gate: nothing breaks what is recorded, and the
// record is fresh.
func TestContractsAreKept(t *testing.T) {
	t.Parallel()
	var out, problems strings.Builder
	code := execute(t.Context(), []string{"contracts", "check"}, strings.NewReader(""), &out, &problems)
	require.Equal(t, exitOK, code, "%s\n%s", &out, &problems)
}

// TestEveryModuleIsPublished compares the contracts with the modules that are started.
func TestEveryModuleIsPublished(t *testing.T) {
	t.Parallel()
	listed := map[string]bool{}
	for _, m := range published() {
		listed[m.Name] = true
		require.NotEmpty(t, m.Methods, m.Name)
	}
	for _, m := range modules {
		require.True(t, listed[m.name], "%s is not in published", m.name)
	}
}

// TestBrokenContractNamesItsConsumers plays that payments once promised more.
func TestBrokenContractNamesItsConsumers(t *testing.T) {
	t.Parallel()
	root, _, err := boundary.FindSource("")
	require.NoError(t, err)
	files, err := contract.ReadFolder(filepath.Join(root, "docs", "contracts"))
	require.NoError(t, err)
	set, _, err := files.Parse()
	require.NoError(t, err)
	was := set["payments"]
	was.Defs["payments.AuthorizeRequest"].Properties["currency"] = &contract.Schema{Type: "string"}
	was.Defs["payments.PaymentChanged"].Properties["card"] = &contract.Schema{Type: "string"}
	was.Codes["payment.stolen"] = "conflict"
	old := t.TempDir()
	before, err := set.Print(nil, nil)
	require.NoError(t, err)
	require.NoError(t, before.WriteFolder(old))

	code, out, _ := contractsOn(t, "check", "--against", old, "--json")
	require.Equal(t, exitFailed, code)
	var report contract.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	told := map[string][]string{}
	for _, c := range report.Changes {
		told[c.Name+" "+c.Where()] = c.Consumers
	}
	require.Contains(t, told["field-removed payments.authorize request.currency"], "orders")
	require.NotContains(t, told["field-removed payments.authorize request.currency"], "catalog")
	require.Contains(t, told["field-removed payments.captured data.card"], "orders")
	require.Contains(t, told, "field-removed payments.voided data.card")
	require.Contains(t, told["code-removed payment.stolen"], "orders")
	require.Equal(t, 7, report.Breaking, "a request, five events and a code:\n%s", out)

	code, out, _ = contractsOn(t, "check", "--against", old)
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "breaking  field-removed  payments.AuthorizeRequest.currency")
	require.Contains(t, out, "payments.authorize request.currency: breaks orders")
	require.Contains(t, out, "instead: keep the field")
}

// TestExportRefusesToBreak records over contracts that promised more.
func TestExportRefusesToBreak(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	code, out, problems := contractsOn(t, "export", "--dir", dir)
	require.Equal(t, exitOK, code, "%s\n%s", out, problems)
	code, _, problems = contractsOn(t, "check", "--dir", dir)
	require.Equal(t, exitOK, code, problems)

	file := filepath.Join(dir, "payments.json")
	fresh, err := os.ReadFile(file)
	require.NoError(t, err)
	old := strings.Replace(string(fresh), `"payments.void"`, `"payments.void_all"`, 1)
	require.NotEqual(t, string(fresh), old)
	require.NoError(t, os.WriteFile(file, []byte(old), 0o600))
	code, out, problems = contractsOn(t, "export", "--dir", dir)
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "method-removed  payments.void_all")
	require.Contains(t, problems, "nothing was recorded")
	kept, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, old, string(kept))

	code, _, problems = contractsOn(t, "export", "--dir", dir, "--accept", "nobody called it")
	require.Equal(t, exitOK, code, problems)
	accepted, err := os.ReadFile(filepath.Join(dir, contract.AcceptedFile))
	require.NoError(t, err)
	require.Contains(t, string(accepted), "nobody called it")
	code, _, problems = contractsOn(t, "check", "--dir", dir)
	require.Equal(t, exitOK, code, problems)

	require.NoError(t, os.WriteFile(filepath.Join(dir, contract.AsyncAPIFile), []byte("{}"), 0o600))
	code, _, problems = contractsOn(t, "check", "--dir", dir)
	require.Equal(t, exitFailed, code)
	require.Contains(t, problems, "is stale (asyncapi.json)")
}

// TestAsyncAPIHoldsTogether follows every reference of the document, and looks for the
// settings that it names.
func TestAsyncAPIHoldsTogether(t *testing.T) {
	t.Parallel()
	root, _, err := boundary.FindSource("")
	require.NoError(t, err)
	body, err := os.ReadFile(filepath.Join(root, "docs", "contracts", contract.AsyncAPIFile))
	require.NoError(t, err)
	var doc map[string]any
	require.NoError(t, json.Unmarshal(body, &doc))
	followed := 0
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				followed++
				at := any(doc)
				for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
					at = at.(map[string]any)[part]
					require.NotNil(t, at, ref)
				}
			}
			for _, inner := range v {
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	walk(doc)
	require.Greater(t, followed, 300)
	operations := doc["operations"].(map[string]any)
	for _, m := range published() {
		for _, p := range m.Methods {
			require.Contains(t, operations, p.Spec().Name)
		}
		for _, e := range m.Events {
			require.Contains(t, operations, e.Name())
		}
	}
	require.Contains(t, operations, "orders.on.payments.captured")
	var settings []string
	for _, k := range config.Keys() {
		settings = append(settings, k.Name)
	}
	named := regexp.MustCompile(`\(setting ([^)]+)\)`).FindAllSubmatch(body, -1)
	require.NotEmpty(t, named)
	for _, n := range named {
		require.Contains(t, settings, string(n[1]))
	}
}
