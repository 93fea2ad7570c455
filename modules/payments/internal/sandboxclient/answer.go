package sandboxclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/payments/internal/core"
)

// readCharge reads a charge and refuses what no charge can be: then it is not the
// provider who speaks, or one we do not understand, and the outcome is unknown.
// An empty object with status 200 must never count as money that moved.
func readCharge(body []byte) (core.Charge, error) {
	var c core.Charge
	if err := json.Unmarshal(body, &c); err != nil {
		return core.Charge{}, fmt.Errorf("read the provider's answer: %w", err)
	}
	if err := checkCharge(c); err != nil {
		return core.Charge{}, fmt.Errorf("read the provider's answer: %w", err)
	}
	return c, nil
}

func checkCharge(c core.Charge) error {
	switch {
	case !nameable(c.ID):
		return errors.New("the charge has no id that could be asked for")
	case c.Reference == "" || c.Key == "" || strings.ContainsRune(c.Reference+c.Key+c.Reason, 0):
		return fmt.Errorf("charge %s has no reference or no key", c.ID)
	case !money.ValidCurrency(c.Amount.Currency) || c.Amount.Amount < 0:
		return fmt.Errorf("charge %s has no amount", c.ID)
	case c.Refunded < 0 || c.Captured < c.Refunded || c.Amount.Amount < c.Captured:
		return fmt.Errorf("charge %s of %s has %d captured and %d refunded", c.ID, c.Amount, c.Captured, c.Refunded)
	}
	switch c.Status {
	case core.ChargeAuthorised, core.ChargeCaptured, core.ChargeVoided, core.ChargeRefunded, core.ChargeDeclined:
		return nil
	}
	return fmt.Errorf("charge %s has a status that we do not know", c.ID)
}

// nameable tells whether an id can stand in a path as it is.
func nameable(id string) bool {
	for _, r := range id {
		if r <= ' ' || r > '~' || strings.ContainsRune(`/\?#%`, r) {
			return false
		}
	}
	return len(id) <= 255 && strings.Trim(id, ".") != ""
}

// page is what a list answers.
type page struct {
	Items []core.Charge `json:"items"`
	Next  *string       `json:"next_cursor"`
}

// readPage reads a page of the list that was asked for from a cursor.
func readPage(body []byte, from string) (page, error) {
	var p page
	if err := json.Unmarshal(body, &p); err != nil {
		return page{}, fmt.Errorf("read the provider's answer: %w", err)
	}
	for _, c := range p.Items {
		if err := checkCharge(c); err != nil {
			return page{}, fmt.Errorf("read the provider's answer: %w", err)
		}
	}
	if p.Next != nil && *p.Next == from {
		return page{}, errors.New("read the provider's answer: the list does not go on")
	}
	return p, nil
}
