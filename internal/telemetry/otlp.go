package telemetry

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector takes spans to an OTLP collector over HTTP. How spans are written is
// otlptrace's; this is the way there. The client that comes with otlptrace would
// bring all of gRPC into the binary, 2 MB of it.
type collector struct {
	url     string
	header  http.Header
	zip     bool
	timeout time.Duration // for one batch, with all its tries
	client  *http.Client
}

// newCollector reads the OTEL_EXPORTER_OTLP_ variables; one for traces alone wins.
func newCollector(getenv func(string) string) (*collector, error) {
	get := func(name string) string {
		if v := getenv("OTEL_EXPORTER_OTLP_TRACES_" + name); v != "" {
			return v
		}
		return getenv("OTEL_EXPORTER_OTLP_" + name)
	}
	if p := get("PROTOCOL"); p != "" && p != "http/protobuf" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q; spans leave by http/protobuf only: name the collector's HTTP address, usually port 4318", p)
	}
	c := &collector{url: getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), header: http.Header{}, timeout: 10 * time.Second}
	if c.url == "" {
		base := getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
		if base == "" {
			base = "http://localhost:4318"
		}
		c.url = strings.TrimSuffix(base, "/") + "/v1/traces"
	}
	// An address may have a password in it, which may be what is wrong with it, or what
	// is taken for its host: the @ then comes too late.
	if u, err := url.Parse(c.url); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") ||
		strings.Contains(u.EscapedPath()+u.RawQuery+u.Fragment, "@") {
		return nil, errors.New("OTEL_EXPORTER_OTLP_ENDPOINT must be an http:// or https:// address; in a password there write @ as %40 and / as %2F")
	}
	for pair := range strings.SplitSeq(get("HEADERS"), ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, value, found := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !found || err != nil { // what it says may be a key
			return nil, errors.New("OTEL_EXPORTER_OTLP_HEADERS must be name=value pairs with commas between them")
		}
		c.header.Set(strings.TrimSpace(name), value)
	}
	switch how := get("COMPRESSION"); how {
	case "", "none":
	case "gzip":
		c.zip = true
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_COMPRESSION is %q; known: gzip, none", how)
	}
	if ms := get("TIMEOUT"); ms != "" {
		n, err := strconv.Atoi(ms)
		if err != nil || n <= 0 {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_TIMEOUT is %q; it must be a number of milliseconds", ms)
		}
		c.timeout = time.Duration(n) * time.Millisecond
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() // it is one, nothing here replaces it
	if file := get("CERTIFICATE"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %s holds no certificate in PEM form", file)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	c.client = &http.Client{Transport: transport}
	return c, nil
}

func (c *collector) Start(context.Context) error { return nil }

func (c *collector) Stop(context.Context) error {
	c.client.CloseIdleConnections()
	return nil
}

// UploadTraces sends a batch. What the collector cannot take now is sent again,
// after pauses that grow, until the time is up; the batch is lost then.
func (c *collector) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// The same on the wire as the request of the collector's service, whose package
	// needs gRPC.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("write spans: %w", err)
	}
	if c.zip {
		var zipped bytes.Buffer
		w := gzip.NewWriter(&zipped)
		if _, err := w.Write(body); err != nil {
			return fmt.Errorf("compress spans: %w", err)
		}
		if err := w.Close(); err != nil {
			return fmt.Errorf("compress spans: %w", err)
		}
		body = zipped.Bytes()
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	for pause := 250 * time.Millisecond; ; pause *= 2 {
		after, err := c.post(ctx, body)
		if err == nil || after < 0 {
			return err
		}
		select {
		case <-time.After(max(after, pause/2+rand.N(pause))):
		case <-ctx.Done():
			return err
		}
	}
}

// final says that trying again is of no use.
const final time.Duration = -1

// post sends a body once. With an error it says after which time to try again.
func (c *collector) post(ctx context.Context, body []byte) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return final, fmt.Errorf("send spans: %w", err)
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	if c.zip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	res, err := c.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("send spans: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection is kept
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After")) // a date, or nothing, is 0
		return time.Duration(max(seconds, 0)) * time.Second, fmt.Errorf("send spans: the collector answered %s", res.Status)
	}
	if res.StatusCode >= 300 {
		return final, fmt.Errorf("send spans: the collector answered %s", res.Status)
	}
	return 0, nil
}
