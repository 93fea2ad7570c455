package core

import (
	"context"
	"net"
	"net/http"
	"net/smtp"
	"os/exec"
	"sync"

	"example.com/shop/internal/database"
	"example.com/shop/internal/event"
	"example.com/shop/internal/saga"
	"example.com/shop/modules/catalog"
	"example.com/shop/modules/payments"
)

// Titles is as small as the use: nobody sees whose it is.
type Titles interface {
	Find(ctx context.Context, req catalog.FindRequest) (catalog.Product, error)
}

type Provider interface {
	Pay(ctx context.Context, order string) error
}

type Ledger interface {
	Atomic(ctx context.Context, fn func(ctx context.Context) error) error
	Count(ctx context.Context) error
}

type Mailer interface{ Send(ctx context.Context) error }

type doer interface {
	Do(req *http.Request) (*http.Response, error)
}

type Planted struct {
	payments.Service // promotes its methods
	Store            Store
	Ledger           Ledger
	First, Second    *database.DB
	Titles           Titles
	Provider         Provider
	Mail             Mailer
	HTTP             doer
	hook             func(ctx context.Context) error
	hooks            map[string]func(ctx context.Context) error
}

func (p *Planted) charge(ctx context.Context) error {
	_, err := p.Charge(ctx, payments.ChargeRequest{}) // want transactions "payments.Service.Charge is called inside a transaction, opened at modules/orders/internal/core/planted.go:59"
	return err
}

func (p *Planted) second(ctx context.Context) error { return p.charge(ctx) }

func (p *Planted) Helpers(ctx context.Context) error { // two functions away
	return p.Store.Atomic(ctx, func(ctx context.Context) error { return p.second(ctx) })
}

func (p *Planted) Local(ctx context.Context) error { // the core's own interface
	return p.Store.Atomic(ctx, func(ctx context.Context) error {
		_, err := p.Titles.Find(ctx, catalog.FindRequest{}) // want transactions "catalog.Service.Find"
		return err
	})
}

func (p *Planted) Value(ctx context.Context) error { // a method value
	void := p.Void
	return p.Store.Atomic(ctx, func(ctx context.Context) error {
		_, err := void(ctx, payments.ChargeRequest{}) // want transactions "payments.Service.Void"
		return err
	})
}

func (p *Planted) Variable(ctx context.Context) error { // a closure in a variable
	look := func(ctx context.Context) error {
		_, err := p.Titles.Find(ctx, catalog.FindRequest{}) // want transactions "catalog.Service.Find"
		return err
	}
	work := func(ctx context.Context) error { return look(ctx) }
	return p.Store.Atomic(ctx, work)
}

func (p *Planted) Routine(ctx context.Context) error { // beside the transaction, but while it is open
	return p.Store.Atomic(ctx, func(ctx context.Context) error {
		var all sync.WaitGroup
		all.Go(func() {
			_, _ = p.Titles.Find(ctx, catalog.FindRequest{}) // want transactions "catalog.Service.Find"
		})
		done := make(chan error)
		go func() {
			_, err := p.Void(ctx, payments.ChargeRequest{}) // want transactions "payments.Service.Void"
			done <- err
		}()
		all.Wait()
		return <-done
	})
}

func (p *Planted) Outer(outer context.Context) error { // with the context from before
	return p.Store.Atomic(outer, func(ctx context.Context) error {
		defer func() {
			_, _ = p.Void(outer, payments.ChargeRequest{}) // want transactions "payments.Service.Void"
		}()
		return p.Mail.Send(outer)
	})
}

func (p *Planted) Abroad(ctx context.Context) error { // the foreign company
	return p.Store.Atomic(ctx, func(ctx context.Context) error {
		if _, err := net.Dial("tcp", "bank"); err != nil { // want transactions "outside of this process"
			return err
		}
		if _, err := p.HTTP.Do(nil); err != nil { // want transactions "outside of this process"
			return err
		}
		if err := smtp.SendMail("", nil, "", nil, nil); err != nil { // want transactions "outside of this process"
			return err
		}
		if err := exec.Command("true").Run(); err != nil { // want transactions "outside of this process"
			return err
		}
		conn, err := net.Dial("udp", "clock") // want transactions "outside of this process"
		if err != nil {
			return err
		}
		if _, err := conn.Write(nil); err != nil { // want transactions "outside of this process"
			return err
		}
		return p.Provider.Pay(ctx, "1") // want transactions "outside of this process"
	})
}

func (p *Planted) Field(ctx context.Context) error { // a function in a field, and one in a map
	p.hook = func(ctx context.Context) error {
		_, err := p.Titles.Find(ctx, catalog.FindRequest{}) // want transactions "catalog.Service.Find"
		return err
	}
	p.hooks = map[string]func(ctx context.Context) error{"void": p.voidHook}
	return p.Store.Atomic(ctx, func(ctx context.Context) error {
		for _, h := range p.hooks {
			if err := h(ctx); err != nil {
				return err
			}
		}
		return p.hook(ctx)
	})
}

func (p *Planted) voidHook(ctx context.Context) error {
	_, err := p.Service.Void(ctx, payments.ChargeRequest{}) // want transactions "payments.Service.Void"
	return err
}

func with[T any](ctx context.Context, p *Planted, fn func(ctx context.Context) (T, error)) (out T, err error) {
	err = p.Store.Atomic(ctx, func(ctx context.Context) error {
		out, err = fn(ctx)
		return err
	})
	return out, err
}

func (p *Planted) Generic(ctx context.Context) error { // through a helper with a type parameter
	_, err := with(ctx, p, func(ctx context.Context) (catalog.Product, error) {
		return p.Titles.Find(ctx, catalog.FindRequest{}) // want transactions "catalog.Service.Find"
	})
	return err
}

func (p *Planted) made() func(ctx context.Context) error {
	return func(ctx context.Context) error {
		_, err := p.Titles.Find(ctx, catalog.FindRequest{}) // want transactions "catalog.Service.Find"
		return err
	}
}

func (p *Planted) Returned(ctx context.Context) error { // a function that another one made
	return p.Store.Atomic(ctx, p.made())
}

func (p *Planted) Follow(c *event.Consumer, e *saga.Engine) {
	event.On(c, catalog.Changed, p.onChanged)
	saga.Register(e, saga.Definition[state]{Finish: p.finish})
}

func (p *Planted) onChanged(ctx context.Context, _ catalog.Product) error { // the handler of an event
	_, err := p.Titles.Find(ctx, catalog.FindRequest{}) // want transactions "opened at internal/event/event.go"
	return err
}

func (p *Planted) finish(ctx context.Context, _ string, _ *state) error { // the end of a saga
	_, err := p.Void(ctx, payments.ChargeRequest{}) // want transactions "opened at internal/saga/saga.go"
	return err
}

func (p *Planted) Two(ctx context.Context) error { // two databases
	return p.First.Atomic(ctx, func(ctx context.Context) error {
		return p.Second.Atomic(ctx, func(ctx context.Context) error { return nil }) // want transactions "another database"
	})
}

func (p *Planted) Stores(ctx context.Context) error { // two databases behind two stores
	return p.Store.Atomic(ctx, func(ctx context.Context) error {
		if err := p.Ledger.Count(ctx); err != nil { // want transactions "another database"
			return err
		}
		return p.Ledger.Atomic(ctx, func(ctx context.Context) error { return nil }) // want transactions "another database"
	})
}

func (p *Planted) Attached(ctx context.Context) error { // detached too late
	return p.Store.Atomic(ctx, func(ctx context.Context) error {
		_, err := p.Titles.Find(ctx, catalog.FindRequest{}) // want transactions "catalog.Service.Find"
		ctx = database.Detach(ctx)
		_ = ctx
		return err
	})
}
