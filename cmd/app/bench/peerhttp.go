package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// openHTTP is a POST of JSON over HTTP/1.1 on connections that are kept, with
// net/http at both ends and nothing around it.
func openHTTP(ctx context.Context) (peer, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return peer{}, err
	}
	server := &http.Server{Handler: http.HandlerFunc(postBack), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	const callers = 256 // the most there are
	transport := &http.Transport{MaxIdleConns: callers, MaxIdleConnsPerHost: callers, DisableCompression: true}
	target := "http://" + l.Addr().String() + "/"
	return peer{
		name: "HTTP/1.1",
		call: func(ctx context.Context, body []byte) ([]byte, error) { return post(ctx, transport, target, body) },
		close: func() error {
			transport.CloseIdleConnections()
			err := server.Close()
			if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
				err = errors.Join(err, ended)
			}
			return err
		},
	}, nil
}

func postBack(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // a caller that leaves early has its own error
}

func post(ctx context.Context, transport *http.Transport, target string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", target, res.Status)
	}
	return io.ReadAll(res.Body)
}
