package web

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/banyan-tree/banyan/internal/id"
)

// exchange is what the edge knows of one request and its answer.
type exchange struct {
	requestID string
	traceID   string
	ip        string
	route     string // "/api/v1/orders/{id}", empty where nothing matched
	subject   string
	fault     error // what was answered as a problem
	start     time.Time
	receiving time.Duration // that the client took to send its body
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{}
}

// ClientIP is the address the request came from, as far as trusted proxies tell.
func ClientIP(ctx context.Context) string { return exchangeOf(ctx).ip }

var saneID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// requestID takes the caller's id if it is safe to log and echo, else makes one.
func requestID(r *http.Request) string {
	if v := r.Header.Get("X-Request-Id"); saneID.MatchString(v) {
		return v
	}
	return id.V7()
}

// clientIP is the address of the peer or, if that is a trusted proxy, the
// rightmost address in X-Forwarded-For that is not one. What stands further
// left was written by the client and proves nothing.
func clientIP(r *http.Request, trusted []netip.Prefix) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	addr = addr.Unmap().WithZone("")
	forwarded := r.Header.Values("X-Forwarded-For")
	if len(forwarded) == 0 {
		return addr.String()
	}
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			break
		}
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		addr = next.Unmap().WithZone("")
	}
	return addr.String()
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	closing *atomic.Bool // whoever gets an answer is told to close the connection
	status  int
	bytes   int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
		// Now, and not when the request came: the stop may have begun meanwhile.
		if r.closing.Load() {
			r.Header().Set("Connection", "close")
		}
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach Flush and deadlines.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
