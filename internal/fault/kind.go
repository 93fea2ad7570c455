package fault

import "net/http"

// Kind groups codes by what a caller can do about them.
type Kind uint8

// The kinds. Their order is part of the wire form: append only.
const (
	KindInternal        Kind = iota // a bug or an unexpected state
	KindMalformed                   // the request cannot be read
	KindInvalid                     // the request reads well but breaks a rule
	KindUnauthenticated             // who are you
	KindForbidden                   // you may not
	KindNotFound                    // not there, or not yours
	KindConflict                    // the state of things forbids it
	KindPrecondition                // If-Match did not match
	KindExhausted                   // over a limit, try later
	KindUnavailable                 // a dependency is down, try later
	KindDeadline                    // took too long; the outcome may be unknown
	KindCanceled                    // the caller gave up; the outcome may be unknown
	KindTooLarge                    // the body is over its limit
)

// kinds is the one table: kind → name → HTTP status → may it be retried.
var kinds = [...]struct {
	name   string
	status int
	retry  bool
}{
	KindInternal:        {"internal", http.StatusInternalServerError, true},
	KindMalformed:       {"malformed", http.StatusBadRequest, false},
	KindInvalid:         {"invalid", http.StatusUnprocessableEntity, false},
	KindUnauthenticated: {"unauthenticated", http.StatusUnauthorized, false},
	KindForbidden:       {"forbidden", http.StatusForbidden, false},
	KindNotFound:        {"not_found", http.StatusNotFound, false},
	KindConflict:        {"conflict", http.StatusConflict, false},
	KindPrecondition:    {"precondition", http.StatusPreconditionFailed, false},
	KindExhausted:       {"exhausted", http.StatusTooManyRequests, true},
	KindUnavailable:     {"unavailable", http.StatusServiceUnavailable, true},
	KindDeadline:        {"deadline", http.StatusGatewayTimeout, true},
	KindCanceled:        {"canceled", 499, true},
	KindTooLarge:        {"too_large", http.StatusRequestEntityTooLarge, false},
}

// HTTPStatus is the status a client gets for this kind.
func (k Kind) HTTPStatus() int { return kinds[k].status }

// Retryable tells whether the same call may succeed later.
func (k Kind) Retryable() bool { return kinds[k].retry }

func (k Kind) String() string { return kinds[k].name }

// KindOf gives the kind with this name, KindInternal where there is none.
func KindOf(name string) Kind {
	for k := range kinds {
		if kinds[k].name == name {
			return Kind(k)
		}
	}
	return KindInternal
}
