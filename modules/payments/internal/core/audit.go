package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/payments"
)

const auditPage = 200

// Checks are the rules that an auditor may run on the live shop.
func (s *Service) Checks() []audit.Check {
	return []audit.Check{
		{Rule: "payments.matches_provider", Says: "Each payment has exactly the charge that the provider's ledger shows, with equal amount and status, and the ledger has no other.", Run: s.checkProvider},
		{Rule: "payments.refunds_within_captured", Says: "What was or is being refunded never exceeds what was captured, and equals its operations.", Run: s.checkRefunds},
		{Rule: "payments.operations_settled", Says: "No provider operation is parked, stuck, or refused where goods have left or a payment was given up.", Run: s.checkOperations},
	}
}

// each runs fn over all payments with their operations, page by page.
func (s *Service) each(ctx context.Context, fn func(p Payment, ops []Operation) error) (int, error) {
	examined, after := 0, ""
	for {
		page, err := s.Store.Page(ctx, after, auditPage)
		if err != nil || len(page) == 0 {
			return examined, err
		}
		ids := make([]string, len(page))
		for i, p := range page {
			ids[i] = p.ID
		}
		ops, err := s.Store.OperationsOf(ctx, ids...)
		if err != nil {
			return examined, err
		}
		of := map[string][]Operation{}
		for _, o := range ops {
			of[o.PaymentID] = append(of[o.PaymentID], o)
		}
		for _, p := range page {
			err := fn(p, of[p.ID])
			if errors.Is(err, errUnderWay) {
				audit.UnderWay(ctx, 1)
				continue
			}
			examined++
			if err != nil {
				return examined, err
			}
		}
		after = ids[len(ids)-1]
	}
}

func (s *Service) checkProvider(ctx context.Context, report func(subject, detail string)) (int, error) {
	examined, err := s.each(ctx, func(p Payment, ops []Operation) error {
		wrong, err := s.compare(ctx, p)
		if err != nil || wrong == "" {
			return err
		}
		if underWay(ops) {
			return errUnderWay
		}
		// It may have moved since the page was read: only what stands still is wrong.
		now, err := s.reload(ctx, p.ID)
		if err != nil {
			return err
		}
		if ops, err = s.Store.OperationsOf(ctx, p.ID); err != nil {
			return err
		}
		if underWay(ops) {
			return errUnderWay
		}
		if wrong, err = s.compare(ctx, now); err == nil && wrong != "" {
			report("payment "+p.ID+" of "+p.Purpose+" "+p.OrderID, wrong)
		}
		return err
	})
	if err != nil {
		return examined, err
	}
	strangers, err := s.checkStrangers(ctx, report)
	return examined + strangers, err
}

// errUnderWay is that a payment cannot be judged yet.
var errUnderWay = errors.New("it is under way")

// underWay tells whether the provider is still to be asked something. Parked
// operations are not under way: their rows are judged as they are.
func underWay(ops []Operation) bool {
	for _, o := range ops {
		if o.Status == OpPending {
			return true
		}
	}
	return false
}

// compare tells what is different at the provider, "" if nothing.
func (s *Service) compare(ctx context.Context, p Payment) (string, error) {
	charges, err := s.Provider.ByReference(ctx, p.OrderID)
	if err != nil {
		return "", fmt.Errorf("ask the provider's ledger: %w", err)
	}
	var live []Charge
	for _, c := range charges {
		if c.Status != ChargeDeclined {
			live = append(live, c)
		}
	}
	switch {
	case len(live) > 1:
		return fmt.Sprintf("the provider has %d charges for it", len(live)), nil
	case len(live) == 0 && (p.Status == payments.Authorised || p.Status == payments.Captured || p.Status == payments.Refunded):
		return fmt.Sprintf("it is %s, the provider has no charge", p.Status), nil
	case len(live) == 0:
		return "", nil
	}
	c := live[0]
	if c.Status != p.Status {
		return fmt.Sprintf("it is %s, its charge %s is %s", p.Status, c.ID, c.Status), nil
	}
	if c, err = s.Provider.Show(ctx, c.ID); err != nil {
		return "", fmt.Errorf("ask the provider's ledger: %w", err)
	}
	if c.Amount.Amount != p.Amount || c.Amount.Currency != p.Currency || c.Captured != p.Captured || c.Refunded != p.Refunded {
		return fmt.Sprintf("%d of %s, %d captured, %d refunded; its charge %s has %d of %s, %d captured, %d refunded",
			p.Amount, p.Currency, p.Captured, p.Refunded, c.ID, c.Amount.Amount, c.Amount.Currency, c.Captured, c.Refunded), nil
	}
	return "", nil
}

// checkStrangers looks for charges of orders that have no payment. A payment is
// always recorded before its charge is made.
func (s *Service) checkStrangers(ctx context.Context, report func(subject, detail string)) (examined int, err error) {
	for cursor := ""; ; {
		page, next, err := s.Provider.List(ctx, cursor)
		if err != nil {
			return examined, fmt.Errorf("read the provider's ledger: %w", err)
		}
		for _, c := range page {
			examined++
			_, found, err := s.Store.ByOrder(ctx, c.Reference)
			if err != nil {
				return examined, err
			}
			if !found {
				report("charge "+c.ID, "no payment belongs to its reference "+c.Reference)
			}
		}
		if cursor = next; cursor == "" {
			return examined, nil
		}
	}
}

func (s *Service) checkRefunds(ctx context.Context, report func(subject, detail string)) (int, error) {
	return s.each(ctx, func(p Payment, ops []Operation) error {
		wrong := refundsWrong(p, ops)
		if wrong == "" {
			return nil
		}
		now, err := s.reload(ctx, p.ID)
		if err != nil {
			return err
		}
		if ops, err = s.Store.OperationsOf(ctx, p.ID); err != nil {
			return err
		}
		if now.Revision != p.Revision {
			return errUnderWay // the next run sees it
		}
		if wrong = refundsWrong(now, ops); wrong != "" {
			report("payment "+p.ID, wrong)
		}
		return nil
	})
}

func refundsWrong(p Payment, ops []Operation) string {
	var done, open int64
	for _, o := range ops {
		switch {
		case o.Kind != KindRefund:
		case o.Open():
			open += o.Amount
		case o.Status == OpDone:
			done += o.Amount
		}
	}
	switch {
	case p.Refunded+p.RefundPending > p.Captured:
		return fmt.Sprintf("%d refunded and %d promised of %d captured", p.Refunded, p.RefundPending, p.Captured)
	case done != p.Refunded || open != p.RefundPending:
		return fmt.Sprintf("%d refunded and %d promised, its operations say %d and %d", p.Refunded, p.RefundPending, done, open)
	}
	return ""
}

func (s *Service) checkOperations(ctx context.Context, report func(subject, detail string)) (int, error) {
	examined := 0
	_, err := s.each(ctx, func(p Payment, ops []Operation) error {
		for _, o := range ops {
			examined++
			switch {
			case o.Status == OpParked:
				report("operation "+o.ID, fmt.Sprintf("%s of payment %s is parked after %d tries: %s", o.Kind, p.ID, o.Attempts, o.Message))
			case o.Status == OpPending && s.Now().Sub(o.CreatedAt) > payments.SettledWithin:
				report("operation "+o.ID, fmt.Sprintf("%s of payment %s is open since %s: %s", o.Kind, p.ID, o.CreatedAt.Format(time.RFC3339), o.Message))
			case o.Status == OpRefused && o.Kind == KindCapture && p.Purpose == ForOrder:
				report("operation "+o.ID, fmt.Sprintf("the goods of payment %s have left, it cannot be captured: %s", p.ID, o.Message))
			case o.Status == OpRefused && o.Kind == KindRefund && o.TriedAt != nil && p.stillCharged():
				report("operation "+o.ID, fmt.Sprintf("payment %s was given up, but %v stay charged: %s", p.ID, money.Of(p.Left(), p.Currency), o.Message))
			}
		}
		return nil
	})
	return examined, err
}
