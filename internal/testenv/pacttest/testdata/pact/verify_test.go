//go:build pact

package pact

import (
	"net/url"
	"os"
	"strconv"
	"testing"

	"github.com/pact-foundation/pact-go/v2/provider"
)

// TestVerify asks the provider at BANYAN_PACT_PROVIDER (http://host:port) for each
// message of the pact BANYAN_PACT_FILE, and compares.
func TestVerify(t *testing.T) {
	if os.Getenv("BANYAN_PACT_JOB") != "verify" {
		t.Skip("not asked to")
	}
	base := os.Getenv("BANYAN_PACT_PROVIDER")
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	// It tells the test what differs.
	_ = provider.NewVerifier().VerifyProvider(t, provider.VerifyRequest{
		Provider: os.Getenv("BANYAN_PACT_NAME"), ProviderBaseURL: base, PactFiles: []string{os.Getenv("BANYAN_PACT_FILE")},
		ProviderStatesSetupURL: base + "/states", DisableColoredOutput: true,
		Transports: []provider.Transport{{Protocol: "message", Port: uint16(port), Path: "/messages", Scheme: "http"}},
	})
}
