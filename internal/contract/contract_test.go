package contract_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/contract"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/port"
)

// TestEveryRuleIsPlanted keeps the corpus complete: each rule that can be broken is
// broken in it.
func TestEveryRuleIsPlanted(t *testing.T) {
	t.Parallel()
	corpus, err := os.ReadFile("corpus_test.go")
	require.NoError(t, err)
	planted := string(corpus) + "enum-narrowed key-added" // the two below
	for _, r := range contract.Rules() {
		require.Contains(t, planted, r.Name)
		require.NotEmpty(t, r.Why, r.Name)
		require.Equal(t, r.Weight != contract.Addition, r.Remedy != "", r.Name)
	}
	was, is := shop[base](t, text), shop[base](t, text)
	was.Methods[1].Keyed = false
	require.Equal(t, []string{"addition key-added shop.sell"}, told(was, is))
}

// TestEnumerations takes a value away, and adds one.
func TestEnumerations(t *testing.T) {
	t.Parallel()
	type status struct {
		S string `json:"s" enum:"open,closed"`
	}
	type statuses struct {
		S string `json:"s" enum:"open,closed,held"`
	}
	more := strings.Replace(text, `Closed = "closed"`, "Closed = \"closed\"\n\tHeld = \"held\"", 1)
	two, three := shop[status](t, text), shop[statuses](t, more)
	require.ElementsMatch(t, everywhere("breaking enum-narrowed |.s"), told(three, two))
	require.ElementsMatch(t, []string{
		"caution enum-widened shop.find reply.s", "caution enum-widened shop.sold data.s", "addition enum-widened-request shop.sell request.s",
	}, told(two, three))

	root := t.TempDir()
	dir := filepath.Join(root, "modules", "shop")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "shop.go"), []byte(more), 0o600))
	src, err := contract.ReadSource(root, "shop")
	require.NoError(t, err)
	_, err = contract.Describe(contract.Module{Name: "shop", Methods: []port.Described{port.Query[status, status]("shop.find")}}, src)
	require.ErrorContains(t, err, "make them the same", "the tag lacks a constant")
	_, err = contract.Describe(contract.Module{Name: "shop"}, src)
	require.ErrorContains(t, err, "the event shop.sold is defined in modules/shop", "an event is not listed")
	_, err = contract.Describe(contract.Module{Name: "shop", Methods: []port.Described{port.Query[base, base]("shop.nothing")}}, src)
	require.ErrorContains(t, err, "no method for shop.nothing")
}

// TestUndefinedCodeIsNoticed checks the documentation of methods.
func TestUndefinedCodeIsNoticed(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir := filepath.Join(root, "modules", "shop")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "shop.go"), []byte(strings.Replace(text, "Codes: Unknown.", "Codes: Unkown.", 1)), 0o600))
	src, err := contract.ReadSource(root, "shop")
	require.NoError(t, err)
	_, err = contract.Describe(contract.Module{
		Name: "shop", Methods: []port.Described{port.Query[base, base]("shop.find")},
		Events: []event.Described{event.Define[base]("shop.thing", "shop.sold")},
	}, src)
	require.ErrorContains(t, err, "names the code Unkown, which is not defined there")
}

// TestReport checks what a person reads, and that accepting is for one change only.
func TestReport(t *testing.T) {
	t.Parallel()
	type two struct {
		A string `json:"a"`
		B string `json:"b"`
	}
	changes := contract.Compare(contract.Set{"shop": shop[two](t, text)}, contract.Set{"shop": shop[base](t, text)}, users)
	var b strings.Builder
	require.NoError(t, contract.NewReport("docs/contracts", changes).Print(&b))
	for _, want := range []string{
		"breaking  field-removed", "gone: string", "shop.sell request.b: breaks till\n", "shop.find reply.b: breaks window (HTTP handlers)\n",
		"shop.sold data.b: breaks till\n", "instead: keep the field", "Breaking: 3 changes against docs/contracts",
	} {
		require.Contains(t, b.String(), want)
	}
	require.Equal(t, 1, strings.Count(b.String(), "instead:"), "one change of one type is told once:\n%s", b.String())

	accepted := contract.AcceptAll(changes[:1], nil, "nobody reads it")
	contract.Accept(changes, accepted)
	require.Equal(t, 2, contract.NewReport("", changes).Breaking)
	again := contract.Compare(contract.Set{"shop": shop[two](t, text)}, contract.Set{"shop": shop[struct {
		A string `json:"a"`
		B int    `json:"b"`
	}](t, text)}, users)
	contract.Accept(again, accepted)
	require.Equal(t, 3, contract.NewReport("", again).Breaking, "another change of the same field is not accepted")
}

// TestFolderAndCommit records contracts in a folder and in a commit.
func TestFolderAndCommit(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir := filepath.Join(root, "docs", "contracts")
	d := shop[line](t, text)
	set := contract.Set{"shop": d}
	files, err := set.Print([]contract.Acceptance{{Rule: "field-removed", Subject: "shop.sell", Reason: "why"}}, set.AsyncAPI(users, contract.Wire{
		Exchange: "events", CallQueue: func(m string) string { return "rpc." + m }, LogQueue: func(m string) string { return "log." + m },
	}))
	require.NoError(t, err)
	require.NoError(t, files.WriteFolder(dir))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "gone.json"), []byte("{}"), 0o600))
	require.NoError(t, files.WriteFolder(dir), "a module that is gone leaves no file")
	back, err := contract.ReadFolder(dir)
	require.NoError(t, err)
	require.Empty(t, files.Stale(back))
	parsed, accepted, err := back.Parse()
	require.NoError(t, err)
	require.Equal(t, set, parsed)
	require.Equal(t, "why", accepted[0].Reason)
	back["shop.json"] = append(back["shop.json"], '\n')
	require.Equal(t, []string{"shop.json"}, files.Stale(back))

	git := func(args ...string) {
		out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", root, "-c", "user.name=n", "-c", "user.email=e@example.com"}, args...)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	git("init", "-q")
	git("commit", "-q", "--allow-empty", "-m", "nothing yet")
	_, err = contract.ReadGit(t.Context(), root, "HEAD", "docs/contracts")
	require.ErrorIs(t, err, contract.ErrNoRecord)
	git("add", "-A")
	git("commit", "-q", "-m", "recorded")
	committed, err := contract.ReadGit(t.Context(), root, "HEAD", "docs/contracts")
	require.NoError(t, err)
	require.Empty(t, files.Stale(committed))
	_, err = contract.ReadGit(t.Context(), root, "nowhere", "docs/contracts")
	require.EqualError(t, err, `"nowhere" is neither a folder nor a commit of this clone`)
	_, err = contract.ReadGit(t.Context(), t.TempDir(), "HEAD", "docs/contracts")
	require.ErrorContains(t, err, "not a git repository")
	_, err = contract.ReadGit(t.Context(), root, "--upload-pack=x", "docs/contracts")
	require.ErrorContains(t, err, "is no name of a commit")
}
