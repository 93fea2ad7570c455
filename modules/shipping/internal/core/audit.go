package core

import (
	"context"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/modules/shipping"
)

const auditPage = 500

// Checks are the rules that shipments must keep.
func (s *Service) Checks() []audit.Check {
	return []audit.Check{{
		Rule: "shipping.stages_complete",
		Says: "a dispatched shipment has a carrier and a time, a delivered one was dispatched before",
		Run:  s.auditStages,
	}}
}

func (s *Service) auditStages(ctx context.Context, report func(subject, detail string)) (examined int, err error) {
	for after := ""; ; {
		page, err := s.store.Page(ctx, after, auditPage)
		if err != nil || len(page) == 0 {
			return examined, err
		}
		for _, sh := range page {
			examined++
			after = sh.ID
			gone := sh.Status == shipping.Dispatched || sh.Status == shipping.Delivered
			if gone != (sh.DispatchedAt != nil) || gone && (sh.Carrier == "" || sh.TrackingNumber == "") {
				report("shipment "+sh.ID, "it is "+sh.Status+", but carrier, tracking number and time of dispatch do not fit that")
			}
			if (sh.Status == shipping.Delivered) != (sh.DeliveredAt != nil) {
				report("shipment "+sh.ID, "it is "+sh.Status+", but its time of delivery does not fit that")
			}
		}
	}
}
