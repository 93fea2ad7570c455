// Package client calls a foreign company.
package client

import (
	"context"
	"net/http"
)

type Client struct{ http *http.Client }

func New() *Client { return &Client{http: &http.Client{}} }

func (c *Client) Pay(ctx context.Context, order string) error { return c.send(ctx, "POST", order) }

func (c *Client) send(ctx context.Context, method, path string) error {
	req, err := http.NewRequestWithContext(ctx, method, path, nil)
	if err != nil {
		return err
	}
	_, err = c.http.Do(req)
	return err
}
