// Package pacttest lets a consumer's test record what it relies on as a pact, and
// a provider's test prove that it keeps one. The format, the mock and the judge are
// Pact's own, in a binary of internal/testenv/pacttest/testdata/pact that .ci/pact prepares.
package pacttest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/testenv"
)

// Call is a message that the consumer sends, and the reply it relies on. Bodies
// are JSON values with Pact's matchers in them.
type Call struct {
	Description     string
	State           string // that the provider is in
	Request         any
	Reply           any
	RequestMetadata map[string]string
	ReplyMetadata   map[string]string
}

// Event is a message that the consumer gets.
type Event struct {
	Description string
	State       string
	Content     any
	Metadata    map[string]string
}

// Job is all that one consumer relies on from one provider.
type Job struct {
	Consumer, Provider string
	Calls              []Call
	Events             []Event
}

// Offer is one interaction as the mock plays it, matchers replaced by examples.
type Offer struct {
	Description    string
	Request, Reply json.RawMessage // of a call
	Content        json.RawMessage // of an event
}

// Like matches any value of the same type.
func Like(example any) any {
	return map[string]any{"pact:matcher:type": "type", "value": example}
}

// Matching matches text by a regular expression.
func Matching(expression, example string) any {
	return map[string]any{"pact:matcher:type": "regex", "regex": expression, "value": example}
}

// Moment matches a time as JSON has it.
func Moment() any {
	return Matching(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$`, "2026-11-22T16:00:00.123456Z")
}

func tool(t *testing.T) string {
	t.Helper()
	path := os.Getenv("BANYAN_TEST_PACT")
	if path == "" {
		testenv.Skip(t, "Pact", `BANYAN_TEST_PACT is not set; run eval "$(.ci/pact)", which says why it cannot be had`)
	}
	return path
}

// Record runs the consumer against each interaction, and compares what was
// recorded with the pact in the repository. With BANYAN_TEST_UPDATE it writes it.
func Record(t *testing.T, file string, job Job, consume func(t *testing.T, o Offer)) {
	t.Helper()
	dir := t.TempDir()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer func() { _ = read.Close() }()
	cmd := exec.CommandContext(t.Context(), tool(t), "-test.run=^TestRecord$") //nolint:gosec // the tool of this test
	cmd.Env = append(os.Environ(), "BANYAN_PACT_JOB=record", "PACT_DO_NOT_TRACK=true")
	cmd.ExtraFiles = []*os.File{write}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.NoError(t, write.Close())
	ended := false
	defer func() {
		if !ended { // a failure below
			_ = in.Close()
			_ = cmd.Wait()
		}
	}()
	require.NoError(t, json.NewEncoder(in).Encode(struct {
		Job
		Dir string
	}{job, dir}))
	offers := bufio.NewScanner(read)
	offers.Buffer(nil, 1<<20)
	seen := 0
	for offers.Scan() {
		var o Offer
		require.NoError(t, json.Unmarshal(offers.Bytes(), &o))
		t.Run(o.Description, func(t *testing.T) { consume(t, o) })
		answer := "ok\n"
		if t.Failed() {
			answer = "no\n"
		}
		_, err := in.Write([]byte(answer))
		require.NoError(t, err)
		seen++
	}
	_ = in.Close()
	ended = true
	require.NoError(t, cmd.Wait(), "%s", &said)
	require.Equal(t, len(job.Calls)+len(job.Events), seen)

	recorded, err := os.ReadFile(filepath.Join(dir, job.Consumer+"-"+job.Provider+".json"))
	require.NoError(t, err)
	if os.Getenv("BANYAN_TEST_UPDATE") != "" {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, recorded, 0o644)) //nolint:gosec // a part of the repository
		return
	}
	kept, err := os.ReadFile(file)
	require.NoError(t, err)
	require.JSONEq(t, string(kept), string(recorded), "%s is stale: run this test with BANYAN_TEST_UPDATE=1, and commit it once the provider keeps it", file)
}
