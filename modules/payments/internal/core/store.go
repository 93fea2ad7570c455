package core

import (
	"context"
	"time"
)

// Store is where the core keeps what it knows. Methods that write need the
// context of Atomic.
type Store interface {
	Atomic(ctx context.Context, fn func(ctx context.Context) error) error
	AfterCommit(ctx context.Context, fn func())

	// Insert adds a payment; false when its order has one already.
	Insert(ctx context.Context, p Payment) (bool, error)
	// Begin adds a payment and its first operation, and is the end of the transaction
	// then; false, and nothing is done, when its order has a payment already.
	Begin(ctx context.Context, p Payment, o Operation) (bool, error)
	// Update writes a payment if its revision is still the stored one, and raises it.
	Update(ctx context.Context, p *Payment) (bool, error)
	ByID(ctx context.Context, id string) (Payment, bool, error)
	ByOrder(ctx context.Context, orderID string) (Payment, bool, error)
	// Page gives payments by id, after the given one.
	Page(ctx context.Context, after string, limit int) ([]Payment, error)

	// AddOperation adds an operation; false when its key, or its request key, is there already.
	AddOperation(ctx context.Context, o Operation) (bool, error)
	OperationByKey(ctx context.Context, key string) (Operation, bool, error)
	OperationByRequest(ctx context.Context, requestKey string) (Operation, bool, error)
	OperationsOf(ctx context.Context, paymentIDs ...string) ([]Operation, error)
	// Claim takes an open operation that nobody is at, by its key.
	Claim(ctx context.Context, key string, now, until time.Time) (Operation, bool, error)
	// Unclaim gives open operations back that somebody is at, whoever it is.
	Unclaim(ctx context.Context) error
	// Due tells whether ClaimDue would find something.
	Due(ctx context.Context, now time.Time) (bool, error)
	// ClaimDue takes open operations whose time has come and that nobody is at.
	ClaimDue(ctx context.Context, now, until time.Time, limit int) ([]Operation, error)
	// Settle ends an open operation; false when it was ended already.
	Settle(ctx context.Context, key string, end Ending) (bool, error)
	// Release gives a claimed operation back for later, if the claim still holds.
	Release(ctx context.Context, o Operation, at time.Time) (bool, error)
	// Hasten makes open operations of a payment due now. Reopen does it with an
	// operation that ended, too.
	Hasten(ctx context.Context, paymentID string, now time.Time) error
	Reopen(ctx context.Context, key string, now time.Time) error

	// Remember notes a webhook event; false when it is known already.
	Remember(ctx context.Context, eventID string, now time.Time) (bool, error)
	// Forget drops at most limit webhook events received before the given time.
	Forget(ctx context.Context, before time.Time, limit int) (int64, error)
}

// Ending is how an operation ended.
type Ending struct {
	Status  string // OpDone or OpRefused
	Reason  string
	Message string
	Reply   string
	At      time.Time
}
