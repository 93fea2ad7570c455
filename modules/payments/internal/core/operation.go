package core

import (
	"math/rand/v2"
	"time"
)

// Kinds of operations.
const (
	KindAuthorise = "authorise"
	KindCapture   = "capture"
	KindVoid      = "void"
	KindRefund    = "refund"
)

// Statuses of operations. Pending and parked ones are open.
const (
	OpPending = "pending"
	OpDone    = "done"
	OpRefused = "refused"
	OpParked  = "parked" // a person is told; it is still tried, but rarely
)

// Operation is one thing that the provider is asked to do, under one
// idempotency key however often it is sent.
type Operation struct {
	ID, PaymentID string
	Kind          string
	Amount        int64 // minor units of Currency
	Currency      string
	Key           string // idempotency key at the provider
	Status        string
	Attempts      int // that failed
	NextAt        time.Time
	ClaimedUntil  *time.Time // somebody is at it until then
	TriedAt       *time.Time // when it was last claimed
	Epoch         int64      // claims so far
	RequestKey    string     // of a refund's caller, with its scope
	Fingerprint   string     // of that caller's request
	Reason        string     // code of a refusal
	Message       string     // of a refusal, or the last failure
	Reply         string     // JSON of what the caller of a refund was answered
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// Repeated tells whether the operation may have reached the provider before.
func (o Operation) Repeated() bool { return o.Epoch > 1 }

// Open tells whether it is neither done nor refused.
func (o Operation) Open() bool { return o.Status == OpPending || o.Status == OpParked }

// Claimed tells whether somebody is at it.
func (o Operation) Claimed(now time.Time) bool {
	return o.ClaimedUntil != nil && o.ClaimedUntil.After(now)
}

// Keys at the provider. One order has one authorisation, whatever happens.
func authoriseKey(orderID string) string  { return "authorise:" + orderID }
func captureKey(paymentID string) string  { return "capture:" + paymentID }
func voidKey(paymentID string) string     { return "void:" + paymentID }
func refundKey(operationID string) string { return "refund:" + operationID }

// How operations are tried again.
const (
	firstPause  = 200 * time.Millisecond
	longestWait = time.Minute
	parkAfter   = 40 // failures, about half an hour
	parkedPause = 15 * time.Minute
	sparedPause = 2 * time.Second // after a try that was not made, because the provider is left alone
)

// pause is the time before the next try after a number of failures: exponential
// with full jitter, so that many that failed together do not come back together.
func pause(attempts int) time.Duration {
	if attempts >= parkAfter {
		return parkedPause
	}
	most := longestWait
	if attempts < 10 {
		most = min(most, firstPause<<max(attempts-1, 0))
	}
	return most/10 + rand.N(most)
}
