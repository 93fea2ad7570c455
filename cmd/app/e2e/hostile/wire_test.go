package hostile

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// dial opens a connection to the shop that ends with the test.
func (w *world) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.Shop, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(shoptest.Patience)))
	return conn.(*net.TCPConn)
}

// wire sends a head and a body as they are, and reads until the shop closes.
func (w *world) wire(t *testing.T, head, body string) (string, error) {
	t.Helper()
	return w.bytes(t, fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body))
}

func (w *world) bytes(t *testing.T, text string) (string, error) {
	t.Helper()
	conn := w.dial(t)
	if _, err := io.WriteString(conn, text); err != nil {
		return "", err
	}
	raw, err := io.ReadAll(conn)
	return string(raw), err
}

// TestBelowHTTP speaks HTTP as no client would. What cannot be read is refused as
// all else is, by a problem document, but for an expectation (417), which Go's
// library answers without a body; the connection is closed after it.
func TestBelowHTTP(t *testing.T) {
	t.Parallel()
	// One case waits for the read time-out. To the others it must not happen.
	w := newWorld(t, "BANYAN_HTTP_READ_HEADER_TIMEOUT=20s", "BANYAN_HTTP_READ_TIMEOUT=20s", "BANYAN_HTTP_IDLE_TIMEOUT=20s")
	const get, last = "GET /api/v1/products?limit=1 HTTP/1.1\r\n", "Host: x\r\nConnection: close\r\n\r\n"
	quote := string(mustJSON(bodies["POST /api/v1/quotes"]))
	post := "POST /api/v1/quotes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
	cases := map[string]struct {
		send string
		want []string // statuses, one for each answer
	}{
		"plain":                     {get + last, []string{"200"}},
		"absolute form":             {"GET http://evil.example/api/v1/products?limit=1 HTTP/1.1\r\n" + last, []string{"200"}},
		"absolute form of a file":   {"GET file:///etc/hosts HTTP/1.1\r\n" + last, []string{"404"}},
		"a server's name":           {"CONNECT evil.example:443 HTTP/1.1\r\n" + last, []string{"404"}},
		"all of it":                 {"OPTIONS * HTTP/1.1\r\n" + last, []string{"404"}},
		"no slash":                  {"GET api HTTP/1.1\r\n" + last, []string{"400"}},
		"dots":                      {"GET /api/v1/../../etc/hosts HTTP/1.1\r\n" + last, []string{"404"}},
		"bytes that are no text":    {"GET /api/v1/products/\xff\xfe HTTP/1.1\r\n" + last, []string{"400"}},
		"NUL":                       {"GET /api/v1/products/\x00 HTTP/1.1\r\n" + last, []string{"400"}},
		"a space in the path":       {"GET /api/v1/a b HTTP/1.1\r\n" + last, []string{"400"}},
		"HTTP/1.0":                  {"GET /health/live HTTP/1.0\r\n\r\n", []string{"200"}},
		"HTTP/0.9":                  {"GET /health/live\r\n\r\n", []string{"400"}},
		"HTTP/2 over plain text":    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []string{"404"}},
		"HTTP/3":                    {"GET / HTTP/3.0\r\n" + last, []string{"505"}},
		"TLS":                       {"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n", []string{"400"}},
		"no host":                   {"GET /health/live HTTP/1.1\r\n\r\n", []string{"400"}},
		"two hosts":                 {"GET /health/live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", []string{"400"}},
		"a bad host":                {"GET /health/live HTTP/1.1\r\nHost: a b\r\n\r\n", []string{"400"}},
		"a folded header":           {get + "X-A: b\r\n c\r\n" + last, []string{"400|200"}},
		"a header without a name":   {get + ": b\r\n" + last, []string{"400"}},
		"a space before the colon":  {get + "X-A : b\r\n" + last, []string{"400"}},
		"a header of 100 KiB":       {get + "X-A: " + strings.Repeat("a", 100<<10) + "\r\n" + last, []string{"431"}},
		"20,000 headers":            {get + strings.Repeat("A: b\r\n", 20_000) + last, []string{"431|200"}},
		"a long address":            {"GET /" + strings.Repeat("a", 100<<10) + " HTTP/1.1\r\n" + last, []string{"431"}},
		"length and chunks":         {post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []string{"400"}},
		"chunks, smuggling":         {strings.Replace(post, "Connection: close\r\n", "", 1) + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n" + last, []string{"400"}},
		"two lengths":               {post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}", []string{"400"}},
		"a negative length":         {post + "Content-Length: -1\r\n\r\n{}", []string{"400"}},
		"a huge length":             {post + "Content-Length: 99999999999999999999\r\n\r\n{}", []string{"400"}},
		"a length of plus one":      {post + "Content-Length: +2\r\n\r\n{}", []string{"400"}},
		"an unknown coding":         {post + "Transfer-Encoding: gzip\r\n\r\n", []string{"501"}},
		"chunked twice":             {post + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", []string{"501|400"}},
		"chunked, hidden":           {post + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", []string{"501|400"}},
		"a chunk of no number":      {post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", []string{"400"}},
		"a chunk of a huge number":  {post + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n", []string{"400"}},
		"a long chunk extension":    {post + "Transfer-Encoding: chunked\r\n\r\n2;" + strings.Repeat("a", 100<<10) + "\r\n{}\r\n0\r\n\r\n", []string{"400"}},
		"trailers":                  {post + "Transfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\nAuthorization: Bearer x\r\n\r\n", len(quote), quote), []string{"201"}},
		"less than the length":      {post + "Content-Length: 1000\r\n\r\n{", []string{"408"}},
		"an expectation":            {get + "Expect: banana\r\n" + last, []string{"417"}},
		"to go on":                  {post + "Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n", []string{"413"}},
		"three at once":             {strings.Repeat("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n", 2) + "GET /health/live HTTP/1.1\r\n" + last, []string{"200", "200", "200"}},
		"a body where none belongs": {"GET /health/live HTTP/1.1\r\nContent-Length: 5\r\n" + last + "hello", []string{"200"}},
	}
	t.Run("all", func(t *testing.T) {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				got, err := w.bytes(t, c.send)
				if err != nil && !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "broken pipe") {
					require.NoError(t, err)
				}
				require.False(t, leaks.MatchString(got), got)
				if err != nil && got == "" {
					return // cut off while we still spoke
				}
				answers := strings.Split("\n"+got, "\nHTTP/1.")[1:]
				require.Len(t, answers, len(c.want), got)
				for i, a := range answers {
					_, a, _ = strings.Cut(a, " ")
					require.Contains(t, strings.Split(c.want[i], "|"), a[:3], got)
					if a[0] >= '4' && !strings.HasPrefix(a, "417") {
						require.Contains(t, a, "\r\nContent-Type: application/problem+json\r\n", got)
						require.Regexp(t, `"code":"[a-z_.]+".*"trace_id":"[0-9a-f]{32}"`, a)
					}
				}
			})
		}
	})
	w.well(t)
}
