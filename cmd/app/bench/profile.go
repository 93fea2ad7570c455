package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// profileCheckout writes profiles of the shop under the load of 16 clients, and
// adds to the report where its time went. The shop is started again for that:
// profiling makes it slower, which must not be in the measured rounds.
func (b *bench) profileCheckout(ctx context.Context, a *buyers) (orders int, err error) {
	if b.profile == "" {
		return 0, nil
	}
	if err := a.shop.stop(); err != nil {
		return 0, err
	}
	at := a.shop.site
	at.settings = append(at.settings[:len(at.settings):len(at.settings)], "BANYAN_OPS_PROFILING=on")
	p, err := at.serve(ctx)
	if err != nil {
		return 0, err
	}
	a.moved(p)
	dir := filepath.Join(b.profile, strings.ToLower(at.name))
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return 0, err
	}
	c := &crowd{clients: 16, orders: len(a.list)}
	var parts []string
	var operator client
	for round := range b.pick(1, 3, 6) {
		b.progress.say("%s, profiling, round %d", at.name, round+1)
		if err := errors.Join(a.fill(ctx, c.orders, round), p.settled(ctx)); err != nil {
			return orders, err
		}
		if operator, err = p.client().logIn(ctx, adminEmail, adminPassword); err != nil { // a token lasts for a round
			return orders, err
		}
		done := make(chan error, 1)
		go func() {
			_, err := a.order(ctx, c.clients, c.orders)
			done <- err
		}()
		// Profiles of a second each, as long as the load lasts: the carts are filled outside.
		for running := true; running; {
			part := filepath.Join(dir, fmt.Sprintf("part-%03d.pb.gz", len(parts)))
			if err := p.fetch(ctx, operator, "profile?seconds=1", part); err != nil {
				return orders, err
			}
			parts = append(parts, part)
			select {
			case err := <-done:
				if err != nil {
					return orders, err
				}
				running = false
			default:
			}
		}
		orders += c.orders
	}
	cpu := filepath.Join(dir, "cpu.pb.gz")
	err = errors.Join(merge(ctx, cpu, parts), p.fetch(ctx, operator, "heap?gc=1", filepath.Join(dir, "heap.pb.gz")),
		p.fetch(ctx, operator, "block", filepath.Join(dir, "block.pb.gz")), p.fetch(ctx, operator, "mutex", filepath.Join(dir, "mutex.pb.gz")))
	if err != nil {
		return orders, err
	}
	shares, err := layersOf(ctx, cpu)
	b.report.Profiles = append(b.report.Profiles, Profile{Load: at.name + ", 16 clients", Layers: shares})
	return orders, err
}

// moved makes the buyers talk to the same shop at its new address.
func (a *buyers) moved(to *shop) {
	a.shop = to
	fresh := to.client()
	for i := range a.list {
		a.list[i].base, a.list[i].http = fresh.base, fresh.http
	}
}

// fetch writes one profile of the shop, as its admin gets it, to a file.
func (p *shop) fetch(ctx context.Context, operator client, what, file string) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.ops+"/debug/pprof/"+what, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+operator.bearer)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("profile %s: %s", what, res.Status)
	}
	f, err := os.Create(file) //nolint:gosec // in the folder that was asked for
	if err != nil {
		return err
	}
	_, err = io.Copy(f, res.Body)
	return errors.Join(err, f.Close())
}

// merge makes one profile of many, and removes these.
func merge(ctx context.Context, into string, parts []string) error {
	args := append([]string{"tool", "pprof", "-proto", "-output=" + into}, parts...)
	if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil { //nolint:gosec // files of our own
		return fmt.Errorf("merge profiles: %w\n%s", err, out)
	}
	var errs []error
	for _, part := range parts {
		errs = append(errs, os.Remove(part))
	}
	return errors.Join(errs...)
}
