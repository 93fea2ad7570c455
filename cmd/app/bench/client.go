package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// client is somebody who talks to a shop.
type client struct {
	http   *http.Client
	base   string // …/api/v1
	bearer string
}

type object map[string]any

// client of a shop; one serves any number of goroutines.
func (p *shop) client() client {
	return client{base: p.http + "/api/v1", http: &http.Client{
		Timeout:   patience,
		Transport: &http.Transport{MaxIdleConnsPerHost: 256, MaxIdleConns: 256, DisableCompression: true},
	}}
}

// logIn gives the client of a user.
func (c client) logIn(ctx context.Context, email, password string) (client, error) {
	var answer struct {
		Token string `json:"access_token"`
	}
	err := c.do(ctx, http.StatusCreated, http.MethodPost, "/sessions", object{"email": email, "password": password}, &answer)
	c.bearer = answer.Token
	return c, err
}

// do asks, and refuses any status but the wanted one. into may be nil.
func (c client) do(ctx context.Context, want int, method, path string, body, into any, headers ...string) error {
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, in)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != want {
		return &unwanted{res.StatusCode, fmt.Sprintf("%s %s: %s instead of %d: %s", method, path, res.Status, want, raw)}
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(raw, into)
}

// unwanted is an answer with another status than the wanted one.
type unwanted struct {
	status int
	text   string
}

func (u *unwanted) Error() string { return u.text }

// tooBusy tells whether the shop did not find the time for what it was asked, or
// was asked too much by one address.
func tooBusy(err error) bool {
	var answer *unwanted
	return errors.As(err, &answer) && (answer.status == http.StatusServiceUnavailable ||
		answer.status == http.StatusGatewayTimeout || answer.status == http.StatusTooManyRequests)
}

// settled waits until every event is relayed and applied, and no saga is at work.
func (p *shop) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for calm := 0; calm < 2; { // a saga may start between two looks
		busy, err := p.busy(ctx)
		if err != nil {
			return err
		}
		calm++
		if busy {
			calm = 0
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until the shop is at rest: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// busy reads the shop's own gauges.
func (p *shop) busy(ctx context.Context) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.ops+"/metrics", nil)
	if err != nil {
		return false, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return false, err
	}
	seen := 0
	for line := range strings.Lines(string(raw)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		for _, gauge := range []string{"banyan_events_unsent{", "banyan_events_pending{", "banyan_sagas_running{"} {
			if strings.HasPrefix(name, gauge) {
				seen++
				if value != "0" {
					return true, nil
				}
			}
		}
	}
	if seen == 0 {
		return false, fmt.Errorf("%s/metrics shows no gauge of events", p.ops)
	}
	return false, nil
}
