package pacttest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Interaction is one entry of a pact, as far as a provider's test needs it.
type Interaction struct {
	Type        string `json:"type"`
	Description string `json:"description"`
	States      []struct {
		Name string `json:"name"`
	} `json:"providerStates"`
	Request struct {
		Contents struct {
			Content json.RawMessage `json:"content"`
		} `json:"contents"`
		Metadata map[string]any `json:"metadata"`
	} `json:"request"`
}

// State is the one the provider is asked to be in; empty: any.
func (i Interaction) State() string {
	if len(i.States) == 0 {
		return ""
	}
	return i.States[0].Name
}

// Read reads the interactions of a pact.
func Read(t *testing.T, file string) []Interaction {
	t.Helper()
	body, err := os.ReadFile(file)
	require.NoError(t, err)
	var pact struct {
		Interactions []Interaction `json:"interactions"`
	}
	require.NoError(t, json.Unmarshal(body, &pact))
	require.NotEmpty(t, pact.Interactions)
	return pact.Interactions
}

// Answer is what a provider says to an interaction.
type Answer struct {
	Body     []byte
	Metadata map[string]any
}

// Verify lets Pact ask the provider for each interaction of a pact. It gives what
// Pact said, and whether the pact is kept.
func Verify(t *testing.T, file, provider string, answer func(description string) (Answer, error)) (said string, kept bool) {
	t.Helper()
	binary := tool(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/states", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }) // set up before
	mux.HandleFunc("/messages", func(w http.ResponseWriter, r *http.Request) {
		var ask struct {
			Description string `json:"description"`
		}
		if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		a, err := answer(ask.Description)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		metadata, err := json.Marshal(a.Metadata)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Pact-Message-Metadata", base64.StdEncoding.EncodeToString(metadata))
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(a.Body)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	cmd := exec.CommandContext(t.Context(), binary, "-test.run=^TestVerify$", "-test.v") //nolint:gosec // the tool of this test
	cmd.Env = append(os.Environ(), "BANYAN_PACT_JOB=verify", "BANYAN_PACT_FILE="+file, "BANYAN_PACT_NAME="+provider, "BANYAN_PACT_PROVIDER="+srv.URL, "PACT_DO_NOT_TRACK=true")
	out, err := cmd.CombinedOutput()
	said = string(out)
	return said, err == nil && strings.Contains(said, "--- PASS: TestVerify")
}
