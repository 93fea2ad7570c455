// Package sandboxclient speaks to the payment provider over HTTP. It bounds time
// and connections and keeps away from a provider that is sick. It never tries
// again: only operations know what may be repeated.
package sandboxclient

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/banyan-tree/banyan/internal/crashpoint"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/resilience"
	"github.com/banyan-tree/banyan/modules/payments/internal/core"
)

const (
	sendLimit   = 5 * time.Second // of one request that changes something
	lookLimit   = 2 * time.Second // of one that only reads
	connections = 64
	replyLimit  = 1 << 20 // bytes
)

// Client is the provider as it is reached over HTTP.
type Client struct {
	base   string
	apiKey string
	http   *http.Client
	guard  *resilience.Guard
}

var _ core.Provider = (*Client)(nil)

// answer is a whole HTTP response.
type answer struct {
	status int
	body   []byte
}

// New makes a client of the provider at base, such as
// http://127.0.0.1:8081/sandbox/psp. All its calls go through guard.
func New(base, apiKey string, guard *resilience.Guard) *Client {
	transport := &http.Transport{
		MaxConnsPerHost: connections, MaxIdleConns: connections, MaxIdleConnsPerHost: connections,
		IdleConnTimeout: time.Minute, ResponseHeaderTimeout: sendLimit,
	}
	return &Client{
		base: strings.TrimRight(base, "/"), apiKey: apiKey,
		http:  &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		guard: guard,
	}
}

// Ready implements core.Provider.
func (c *Client) Ready() error { return notAsked(c.guard.Ready()) }

// sick is what an outcome says of the provider. A 500 may speak of one card, but
// look-ups go well then: only when nearly everything fails we stay away.
func sick(a *answer, err error) bool {
	return err != nil || a.status == http.StatusTooManyRequests || a.status >= 500 && a.status != http.StatusNotImplemented
}

func notAsked(err error) error {
	if resilience.NotMade(err) {
		return fmt.Errorf("%w: %w", core.ErrNotAsked, err)
	}
	return err
}

// Close gives up idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Charge asks for money to be set aside.
func (c *Client) Charge(ctx context.Context, req core.ChargeRequest) (core.Charge, error) {
	body := struct {
		Reference string      `json:"reference"`
		Amount    money.Money `json:"amount"`
		Token     string      `json:"token"`
	}{req.Reference, req.Amount, req.Token}
	made, err := c.change(ctx, "/charges", req.Key, body)
	if err == nil && (made.Key != req.Key || made.Reference != req.Reference || made.Amount != req.Amount) {
		return core.Charge{}, fmt.Errorf("the provider answered with another charge: %s", made.ID)
	}
	return made, err
}

type amountBody struct {
	Amount money.Money `json:"amount"`
}

// Capture takes what was set aside.
func (c *Client) Capture(ctx context.Context, chargeID, key string, amount money.Money) (core.Charge, error) {
	return c.act(ctx, chargeID, "/capture", key, amountBody{amount})
}

// Void lets go what was set aside.
func (c *Client) Void(ctx context.Context, chargeID, key string) (core.Charge, error) {
	return c.act(ctx, chargeID, "/void", key, struct{}{})
}

// Refund gives back what was taken.
func (c *Client) Refund(ctx context.Context, chargeID, key string, amount money.Money) (core.Charge, error) {
	return c.act(ctx, chargeID, "/refund", key, amountBody{amount})
}

// act changes a charge; the answer must speak of the same one.
func (c *Client) act(ctx context.Context, chargeID, action, key string, body any) (core.Charge, error) {
	out, err := c.change(ctx, "/charges/"+url.PathEscape(chargeID)+action, key, body)
	if err == nil {
		err = same(out, chargeID)
	}
	if err != nil {
		return core.Charge{}, err
	}
	return out, nil
}

func same(c core.Charge, chargeID string) error {
	if c.ID != chargeID {
		return fmt.Errorf("the provider answered with another charge: %s", c.ID)
	}
	return nil
}

// Find gives the charge that was made, or acted upon, under a key.
func (c *Client) Find(ctx context.Context, key string) (core.Charge, bool, error) {
	page, err := c.list(ctx, url.Values{"idempotency_key": {key}})
	if err != nil || len(page.Items) == 0 {
		return core.Charge{}, false, err
	}
	found, err := c.Show(ctx, page.Items[0].ID)
	return found, err == nil, err
}

// Show gives a charge with all that is known of it.
func (c *Client) Show(ctx context.Context, chargeID string) (core.Charge, error) {
	body, err := c.look(ctx, "/charges/"+url.PathEscape(chargeID))
	if err != nil {
		return core.Charge{}, err
	}
	out, err := readCharge(body)
	if err == nil {
		err = same(out, chargeID)
	}
	if err != nil {
		return core.Charge{}, err
	}
	return out, nil
}

// ByReference gives every charge of an order.
func (c *Client) ByReference(ctx context.Context, orderID string) ([]core.Charge, error) {
	page, err := c.list(ctx, url.Values{"reference": {orderID}})
	return page.Items, err
}

// List pages through all charges.
func (c *Client) List(ctx context.Context, cursor string) ([]core.Charge, string, error) {
	query := url.Values{"limit": {"100"}}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	page, err := c.list(ctx, query)
	if err != nil || page.Next == nil {
		return page.Items, "", err
	}
	return page.Items, *page.Next, nil
}

func (c *Client) list(ctx context.Context, query url.Values) (page, error) {
	body, err := c.look(ctx, "/charges?"+query.Encode())
	if err != nil {
		return page{}, err
	}
	return readPage(body, query.Get("cursor"))
}

// look asks without changing anything; any answer but 200 is an error.
func (c *Client) look(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	crashpoint.Hit("provider", "before-look")
	a, err := c.send(ctx, http.MethodGet, path, "", nil)
	crashpoint.Hit("provider", "after-look")
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, fmt.Errorf("the provider answered %d to a look-up", a.status)
	}
	return a.body, nil
}

// change sends what changes something. 400, 402, 404, 409 and 422 are a definite
// no; any other answer but 2xx leaves the outcome open.
func (c *Client) change(ctx context.Context, path, key string, body any) (out core.Charge, err error) {
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	raw, err := json.Marshal(body)
	if err != nil {
		return out, fmt.Errorf("write the request to the provider: %w", err)
	}
	crashpoint.Hit("provider", "before-change")
	a, err := c.send(ctx, http.MethodPost, path, key, raw)
	crashpoint.Hit("provider", "after-change")
	if err != nil {
		return out, err
	}
	switch a.status {
	case http.StatusOK, http.StatusCreated:
		return readCharge(a.body)
	case http.StatusBadRequest, http.StatusPaymentRequired, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity:
		var no struct {
			Code   string `json:"code"`
			Detail string `json:"detail"`
		}
		if json.Unmarshal(a.body, &no) == nil && nameable(no.Code) { // else it is not the provider who speaks
			return out, &core.Refusal{Code: no.Code, Message: strings.ReplaceAll(no.Detail, "\x00", "")}
		}
	}
	return out, fmt.Errorf("the provider answered %d", a.status)
}

func (c *Client) send(ctx context.Context, method, path, key string, body []byte) (*answer, error) {
	a, err := resilience.Call(ctx, c.guard, core.IsAgain(ctx), sick, func() (*answer, error) {
		return c.roundTrip(ctx, method, path, key, body)
	})
	if err != nil {
		return nil, fmt.Errorf("ask the payment provider: %w", notAsked(err))
	}
	return a, nil
}

func (c *Client) roundTrip(ctx context.Context, method, path, key string, body []byte) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.apiKey)
	req.Header.Set("Accept", "application/json")
	if method == http.MethodPost {
		// net/http repeats a request by itself when it carries an Idempotency-Key
		// and its connection broke; without a way to read the body again it cannot.
		req.Header.Set("Idempotency-Key", key)
		req.Header.Set("Content-Type", "application/json")
		req.GetBody = nil
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, replyLimit))
	if err != nil {
		return nil, err
	}
	return &answer{res.StatusCode, raw}, nil
}
