package contract

import (
	"cmp"
	"slices"
)

// Weight tells what a change does to whoever is not changed with it.
type Weight string

// The weights.
const (
	Breaking Weight = "breaking" // somebody's calls or events fail
	Caution  Weight = "caution"  // it works if readers are written with care
	Addition Weight = "addition" // nobody notices
)

// Rule is one way in which a contract can change.
type Rule struct {
	Name   string `json:"rule"`
	Weight Weight `json:"weight"`
	Why    string `json:"why"`
	Remedy string `json:"remedy,omitempty"` // nothing to do where it is empty
}

const beside = "keep the old one, and add a new one beside it with a name of its own (payments.authorize_v2); take the old one away when nobody uses it any more"

// Versions N and N-1 run side by side, and each reads what the other writes. So a
// field that is required on one side only is refused by the other, whichever way
// it goes.
var (
	moduleRemoved = Rule{"module-removed", Breaking, "whoever calls it gets Unavailable", beside}
	moduleAdded   = Rule{"module-added", Addition, "nobody knows it yet", ""}
	methodRemoved = Rule{"method-removed", Breaking, "its callers get Unavailable", beside}
	methodAdded   = Rule{"method-added", Addition, "nobody calls it yet", ""}
	methodKind    = Rule{"method-kind", Breaking, "what may be repeated and what needs a key is decided by it, at both ends", beside}
	methodVersion = Rule{"method-version", Breaking, "a server refuses messages of another version", "change the name instead of the version, then both can be served at once: " + beside}
	keyRemoved    = Rule{"key-removed", Breaking, "a caller that relied on the natural key is no longer answered the same twice, and its lost messages are not sent again", "keep port.Key; or " + beside}
	keyAdded      = Rule{"key-added", Addition, "what was repeated with another key still is another effect", ""}
	deadlineShort = Rule{"deadline-shorter", Caution, "callers give up earlier than they did", "see whether the callers' own deadlines still make sense"}
	deadlineLong  = Rule{"deadline-longer", Addition, "a caller's tighter deadline stays", ""}
	codeRemoved   = Rule{"code-removed", Breaking, "callers decide by the code's name; codes are append-only", "keep the code, and answer it where it was answered; add a new one for a new case"}
	codeKind      = Rule{"code-kind", Breaking, "the kind decides the HTTP status and whether a call may be retried", "add a new code of the other kind; keep the old one as it is"}
	codeAdded     = Rule{"code-added", Addition, "who does not know the code acts by its kind", ""}
	eventRemoved  = Rule{"event-removed", Breaking, "its consumers wait for what never comes", beside}
	eventAdded    = Rule{"event-added", Addition, "nobody listens to it yet", ""}
	eventTopic    = Rule{"event-topic", Breaking, "consumers get events by topic, and versions are counted within it", "publish a new event in the new topic, and go on with the old one until nobody listens to it"}
	fieldRemoved  = Rule{"field-removed", Breaking, "the other side requires it, or reads nothing where something was", "keep the field, or " + beside}
	fieldAdded    = Rule{"field-added", Addition, "who does not know it ignores it", ""}
	fieldNeeded   = Rule{"field-added-required", Breaking, "what the other side writes does not have it, and is refused", "make it optional: omitempty or omitzero in its tag, or a pointer; and say what its absence means"}
	nowRequired   = Rule{"field-now-required", Breaking, "the other side may leave it out, and is refused", "leave it optional, and say what its absence means; or " + beside}
	nowOptional   = Rule{"field-now-optional", Breaking, "the other side requires it, and refuses what is written without it", "always write it: without omitempty, omitzero or a pointer; or " + beside}
	nullForbidden = Rule{"null-forbidden", Breaking, "the other side may write null, which is not read any more", "go on reading null; or " + beside}
	nullAllowed   = Rule{"null-allowed", Breaking, "the other side does not read null", "write a value, or leave an optional field out; or " + beside}
	typeChanged   = Rule{"type-changed", Breaking, "the other side cannot read it, or reads something else", "add a new optional field of the new type, and write both; or " + beside}
	enumNarrowed  = Rule{"enum-narrowed", Breaking, "the other side still writes the old value, and old events have it", "go on reading and writing the old value; or " + beside}
	enumAsked     = Rule{"enum-widened-request", Addition, "nobody sends the new value yet; roll out whoever answers first", ""}
	enumTold      = Rule{"enum-widened", Caution, "a reader that knows only the old values meets a new one", "see that each consumer does something sensible with a value it does not know, and roll them out first"}
)

// Rules lists every way in which a contract can change.
func Rules() []Rule {
	return []Rule{
		moduleRemoved, moduleAdded, methodRemoved, methodAdded, methodKind, methodVersion, keyRemoved, keyAdded,
		deadlineShort, deadlineLong, codeRemoved, codeKind, codeAdded, eventRemoved, eventAdded, eventTopic,
		fieldRemoved, fieldAdded, fieldNeeded, nowRequired, nowOptional, nullForbidden, nullAllowed, typeChanged,
		enumNarrowed, enumAsked, enumTold,
	}
}

// Change is one difference between a contract and its record.
type Change struct {
	Rule
	Module    string   `json:"module"`
	Subject   string   `json:"subject"`        // method, event or code; the module where it is gone as a whole
	Part      string   `json:"part,omitempty"` // request, reply or data
	Path      string   `json:"path,omitempty"` // in that part: "lines[].unit_price.currency"
	At        string   `json:"at,omitempty"`   // the type and field that changed: "money.Money.currency"
	Was       string   `json:"was,omitempty"`
	Is        string   `json:"is,omitempty"`
	Consumers []string `json:"consumers"`          // modules that use the subject
	Accepted  string   `json:"accepted,omitempty"` // the reason why it was done nevertheless
}

// Where is the place of the change, in words.
func (c Change) Where() string {
	where := c.Subject
	if c.Part != "" {
		where += " " + c.Part
	}
	if c.Path != "" {
		where += "." + c.Path
	}
	return where
}

// Breaks tells whether the change breaks somebody and was not accepted.
func (c Change) Breaks() bool { return c.Weight == Breaking && c.Accepted == "" }

// byType brings the same change of one type together, in whatever messages it shows.
func (c Change) byType() string {
	if c.At == "" {
		return ""
	}
	return c.Name + " " + c.Was + " " + c.Is
}

func sortChanges(list []Change) {
	rank := func(c Change) int {
		return slices.Index([]Weight{Breaking, Caution, Addition}, c.Weight)
	}
	slices.SortStableFunc(list, func(a, b Change) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Module, b.Module), cmp.Compare(a.At, b.At), cmp.Compare(a.byType(), b.byType()), cmp.Compare(a.Subject, b.Subject),
			cmp.Compare(a.Part, b.Part), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Is, b.Is))
	})
}
