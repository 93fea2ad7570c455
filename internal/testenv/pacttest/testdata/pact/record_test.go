//go:build pact

package pact

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"testing"

	message "github.com/pact-foundation/pact-go/v2/message/v4"
)

// job is what is recorded, as it comes on standard input: one line of JSON.
type job struct {
	Consumer, Provider, Dir string
	Calls                   []struct {
		Description, State             string
		Request, Reply                 json.RawMessage // with Pact's matchers
		RequestMetadata, ReplyMetadata map[string]string
	}
	Events []struct {
		Description, State string
		Content            json.RawMessage
		Metadata           map[string]string
	}
}

// offer is one interaction as the mock offers it: one line of JSON on file 3.
type offer struct {
	Description    string
	Request, Reply json.RawMessage `json:",omitempty"`
	Content        json.RawMessage `json:",omitempty"`
}

// TestRecord offers each interaction to whoever runs this binary, and writes it
// into the pact when the answer is "ok".
func TestRecord(t *testing.T) {
	if os.Getenv("BANYAN_PACT_JOB") != "record" {
		t.Skip("not asked to")
	}
	in := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.NewFile(3, "offers"))
	line, err := in.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var j job
	if err := json.Unmarshal(line, &j); err != nil {
		t.Fatal(err)
	}
	confirmed := func(o offer) error {
		if err := out.Encode(o); err != nil {
			return err
		}
		answer, err := in.ReadString('\n')
		if err == nil && answer != "ok\n" {
			err = errors.New("the consumer did not get along with it: " + answer)
		}
		return err
	}
	config := message.Config{Consumer: j.Consumer, Provider: j.Provider, PactDir: j.Dir}
	for _, c := range j.Calls {
		p, err := message.NewSynchronousPact(config)
		if err != nil {
			t.Fatal(err)
		}
		b := p.AddSynchronousMessage(c.Description)
		if c.State != "" {
			b = b.Given(c.State)
		}
		err = b.WithRequest(func(r *message.SynchronousMessageWithRequestBuilder) {
			r.WithMetadata(c.RequestMetadata).WithJSONContent(c.Request)
		}).WithResponse(func(r *message.SynchronousMessageWithResponseBuilder) {
			r.WithJSONContent(c.Reply).WithMetadata(c.ReplyMetadata) // in this order, or it is lost
		}).ExecuteTest(t, func(m message.SynchronousMessage) error {
			return confirmed(offer{Description: c.Description, Request: m.Request.Contents, Reply: m.Response[0].Contents})
		})
		if err != nil {
			t.Fatal(c.Description, ": ", err)
		}
	}
	for _, e := range j.Events {
		p, err := message.NewAsynchronousPact(config)
		if err != nil {
			t.Fatal(err)
		}
		b := p.AddAsynchronousMessage()
		if e.State != "" {
			b = b.Given(e.State)
		}
		err = b.ExpectsToReceive(e.Description).WithMetadata(e.Metadata).WithJSONContent(e.Content).
			ConsumedBy(func(m message.AsynchronousMessage) error {
				return confirmed(offer{Description: e.Description, Content: m.Contents})
			}).Verify(t)
		if err != nil {
			t.Fatal(e.Description, ": ", err)
		}
	}
}
