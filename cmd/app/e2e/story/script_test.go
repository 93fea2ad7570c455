package story

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	scriptFile = "testdata/script.jsonl"
	goldenFile = "testdata/golden.txt"
)

// step is one line of the script. {name} in it stands for what was kept under
// that name before.
type step struct {
	Chapter string `json:"chapter,omitempty"` // a chapter begins, and nothing is asked
	Sample  bool   `json:"sample,omitempty"`  // the chapter is told at the small size, too

	As      string            `json:"as,omitempty"`  // under whose name the token was kept; empty: nobody
	Ops     bool              `json:"ops,omitempty"` // at the ops address
	Do      string            `json:"do,omitempty"`  // method and path
	Key     string            `json:"key,omitempty"` // Idempotency-Key
	Headers map[string]string `json:"headers,omitempty"`
	Body    any               `json:"body,omitempty"`
	Raw     string            `json:"raw,omitempty"`   // a body that is no JSON
	Until   map[string]any    `json:"until,omitempty"` // ask until these are at these paths: "*" for anything, "!x" for anything else
	Keep    map[string]string `json:"keep,omitempty"`  // name → path in the answer, or "header X"

	Race []step   `json:"race,omitempty"` // asked at once
	Rank []string `json:"rank,omitempty"` // what the racers are called afterwards, by how they came off

	App []string `json:"app,omitempty"` // a command beside the shop
}

// chapter is a part of the story with people and goods of its own, so that it can
// be told without the others.
type chapter struct {
	title  string
	sample bool
	steps  []step
}

func encode(steps []step) []byte {
	var out bytes.Buffer
	lines := json.NewEncoder(&out)
	lines.SetEscapeHTML(false)
	for _, s := range steps {
		if err := lines.Encode(s); err != nil {
			panic(err) // a step is plain data
		}
	}
	return out.Bytes()
}

// script reads the story as it is recorded.
func script(t *testing.T) []chapter {
	t.Helper()
	raw, err := os.ReadFile(scriptFile)
	require.NoError(t, err)
	var all []chapter
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var s step
		read := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		read.DisallowUnknownFields()
		require.NoError(t, read.Decode(&s), "%s:%d", scriptFile, n)
		if s.Chapter != "" {
			all = append(all, chapter{title: s.Chapter, sample: s.Sample})
			continue
		}
		require.NotEmpty(t, all, "the script begins with a chapter")
		of := &all[len(all)-1]
		of.steps = append(of.steps, s)
	}
	require.NoError(t, lines.Err())
	return all
}
