package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/banyan-tree/banyan/internal/id"
)

// virtualHost makes an empty one on the tests' broker; "" where there is none.
func virtualHost(ctx context.Context) (address string, drop func(), err error) {
	broker, admin := os.Getenv("BANYAN_TEST_AMQP_URL"), os.Getenv("BANYAN_TEST_AMQP_ADMIN")
	if broker == "" || admin == "" {
		return "", nil, nil
	}
	name := "bench_" + strings.ReplaceAll(id.V7(), "-", "")
	ask := func(ctx context.Context, method string) error {
		req, err := http.NewRequestWithContext(ctx, method, admin+"/api/vhosts/"+name, nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		if res.StatusCode >= 300 {
			return fmt.Errorf("%s the virtual host %s: %s", method, name, res.Status)
		}
		return nil
	}
	u, err := url.Parse(broker)
	if err != nil {
		return "", nil, err
	}
	// The broker may have been started a moment ago.
	starting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for err = ask(starting, http.MethodPut); err != nil && starting.Err() == nil; err = ask(starting, http.MethodPut) {
		select {
		case <-starting.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	u.Path = "/" + name
	return u.String(), func() { _ = ask(context.WithoutCancel(ctx), http.MethodDelete) }, err
}
