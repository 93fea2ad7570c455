package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// hammer reads a path over 64 connections for so long and gives how many
// requests a second were answered with 200 and a body of the wanted size. It
// speaks HTTP by hand: on a machine of two cores the time of a full client would
// be most of what is measured.
func hammer(ctx context.Context, address, path string, tokens []string, size int, span time.Duration) (float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var done atomic.Int64
	var group sync.WaitGroup
	start := time.Now()
	until := start.Add(span)
	for n := range connections {
		group.Go(func() {
			var requests [][]byte
			for i := n; i < len(tokens); i += connections { // each connection has readers of its own
				// … and each reader an address: those of one address have a limit together.
				requests = append(requests, fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nX-Forwarded-For: 10.0.%d.%d\r\nAccept: application/json\r\n\r\n",
					path, address, tokens[i], i/250, i%250+1))
			}
			if err := readOn(ctx, address, requests, size, until, &done); err != nil {
				cancel(err)
			}
		})
	}
	group.Wait()
	took := time.Since(start)
	return rate(int(done.Load()), took), context.Cause(ctx)
}

// readOn asks on one connection, again and again.
func readOn(ctx context.Context, address string, requests [][]byte, size int, until time.Time, done *atomic.Int64) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(until.Add(patience))
	r := bufio.NewReaderSize(conn, 16<<10)
	for n := 0; n == 0 || time.Now().Before(until) && ctx.Err() == nil; n++ { // once at least
		if _, err := conn.Write(requests[n%len(requests)]); err != nil {
			return err
		}
		if err := readAnswer(r, size); err != nil {
			return err
		}
		done.Add(1)
	}
	return nil
}

// readAnswer reads one answer, which must be 200 and of that size.
func readAnswer(r *bufio.Reader, size int) error {
	status, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	good, text := bytes.HasPrefix(status, []byte("HTTP/1.1 200")), string(status)
	length, chunked := -1, false
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		}
	}
	if chunked {
		length, err = skipChunks(r)
	} else if length >= 0 {
		_, err = r.Discard(length)
	}
	switch {
	case err != nil:
		return err
	case !good:
		return fmt.Errorf("a page was answered with %q", text)
	case length != size:
		return fmt.Errorf("a page of %d bytes was answered with %d", size, length)
	}
	return nil
}

// skipChunks reads a body that was sent in chunks and gives its size.
func skipChunks(r *bufio.Reader) (int, error) {
	total := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return 0, fmt.Errorf("read a chunk: %w", err)
		}
		total += int(n)
		if _, err := io.CopyN(io.Discard, r, n+2); err != nil { // with its line end
			return 0, errors.Join(io.ErrUnexpectedEOF, err)
		}
		if n == 0 {
			return total, nil
		}
	}
}
