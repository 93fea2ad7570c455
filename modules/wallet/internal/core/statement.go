package core

import (
	"context"
	"fmt"

	"github.com/banyan-tree/banyan/modules/wallet"
)

const mostLines = 100

// Events implements wallet.Service: the stream itself, with the account after
// each event.
func (s *Service) Events(ctx context.Context, req wallet.EventsRequest) (wallet.EventList, error) {
	if err := may(ctx, req.UserID); err != nil {
		return wallet.EventList{}, err
	}
	if err := checkPage(req.Limit, req.After); err != nil {
		return wallet.EventList{}, err
	}
	before, err := s.Accounts.To(ctx, req.UserID, req.After)
	if err == nil && req.After == 0 { // there is no account yet to know its currency
		_, err = s.Accounts.Load(ctx, req.UserID)
	}
	if err != nil {
		return wallet.EventList{}, fmt.Errorf("read the wallet of %s: %w", req.UserID, err)
	}
	recorded, err := s.Store.Read(ctx, req.UserID, req.After, req.Limit+1)
	if err != nil {
		return wallet.EventList{}, err
	}
	list := wallet.EventList{Items: []wallet.Entry{}}
	balance, available := before.State.Balance, before.State.Available()
	for i, r := range recorded {
		if i == req.Limit {
			list.Next = recorded[i-1].Version
			break
		}
		l, err := LineOf(r, balance, available)
		if err != nil {
			return wallet.EventList{}, fmt.Errorf("read the wallet of %s: %w", req.UserID, err)
		}
		balance, available = l.Balance, l.Available
		list.Items = append(list.Items, l.entry(s.Currency))
	}
	return list, nil
}

// Statement implements wallet.Service from the projection. How far that is behind
// is asked first, so that it is never less than what is missing.
func (s *Service) Statement(ctx context.Context, req wallet.StatementRequest) (wallet.Statement, error) {
	if err := may(ctx, req.UserID); err != nil {
		return wallet.Statement{}, err
	}
	if err := checkPage(req.Limit, req.After); err != nil {
		return wallet.Statement{}, err
	}
	if req.Until.Before(req.From) {
		return wallet.Statement{}, wallet.InvalidRequest.Errorf("the period ends before it begins").WithField("query/until", "give an instant after from")
	}
	if _, err := s.Accounts.Load(ctx, req.UserID); err != nil { // lines do not know their currency, the account does
		return wallet.Statement{}, fmt.Errorf("read the wallet of %s: %w", req.UserID, err)
	}
	behind, err := s.Store.Behind(ctx)
	if err != nil {
		return wallet.Statement{}, err
	}
	period, err := s.Store.Period(ctx, req.UserID, instant(req.From), instant(req.Until), req.After, req.Limit+1)
	if err != nil {
		return wallet.Statement{}, err
	}
	st := wallet.Statement{
		Opening: s.of(period.Opening.Balance), Closing: s.of(period.Closing.Balance), Items: []wallet.Entry{}, Behind: behind,
	}
	for i, l := range period.Lines {
		if i == req.Limit {
			st.Next = period.Lines[i-1].Version
			break
		}
		st.Items = append(st.Items, l.entry(s.Currency))
	}
	return st, nil
}

func checkPage(limit int, after int64) error {
	wrong := wallet.InvalidRequest.Errorf("there is no such page: see errors")
	if limit < 1 || limit > mostLines {
		wrong.WithField("/limit", fmt.Sprintf("give 1 to %d", mostLines))
	}
	if after < 0 {
		wrong.WithField("/after", "give what the page before said")
	}
	if len(wrong.Fields) > 0 {
		return wrong
	}
	return nil
}
