package web

import (
	"context"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	"github.com/banyan-tree/banyan/internal/port"
)

// RateLimit bounds how often one client may ask: a user, or an address without one. All
// users of one address together get ten times as much: anybody can make accounts.
type RateLimit struct {
	Off       bool
	PerSecond float64 // refill; 50
	Burst     int     // at once; 100
	Clients   int     // remembered at most, the least used are forgotten; 50,000
}

type limiter struct {
	cfg     RateLimit
	clients *otter.Cache[string, *rate.Limiter]
	burst   []string // as a header, shared by all answers
}

func newLimiter(cfg RateLimit) *limiter {
	if cfg.Off {
		return &limiter{cfg: cfg}
	}
	if cfg.PerSecond == 0 {
		cfg.PerSecond = 50
	}
	if cfg.Burst == 0 {
		cfg.Burst = 100
	}
	if cfg.Clients == 0 {
		cfg.Clients = 50_000
	}
	// A client that was away for as long as a bucket takes to fill is as good as new.
	fill := time.Duration(float64(cfg.Burst)/cfg.PerSecond*float64(time.Second)) + time.Second
	return &limiter{cfg: cfg, burst: []string{strconv.Itoa(cfg.Burst)}, clients: otter.Must(&otter.Options[string, *rate.Limiter]{
		MaximumSize:      cfg.Clients,
		ExpiryCalculator: otter.ExpiryAccessing[string, *rate.Limiter](fill),
	})}
}

// crowd is how many times the limit of one all users of an address get.
const crowd = 10

// clientKey is whom the limit counts: a subject, which is an id of ours, or an address.
func clientKey(ctx context.Context) string {
	if p := port.PrincipalFrom(ctx); !p.Anonymous() {
		return p.Subject
	}
	return "ip " + network(ClientIP(ctx))
}

// network is what one client can be expected to have: an IPv4 address, or the
// /64 of an IPv6 address, within which a client may choose freely.
func network(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil || addr.Is4() {
		return ip
	}
	return netip.PrefixFrom(addr, 64).Masked().String()
}

// count counts one request, for who asks and for where from. Code: RateLimited.
func (l *limiter) count(ctx context.Context, h http.Header) error {
	if l.cfg.Off {
		return nil
	}
	if err := l.take(h, clientKey(ctx)); err != nil || port.PrincipalFrom(ctx).Anonymous() {
		return err
	}
	all := l.bucket("all of "+network(ClientIP(ctx)), crowd)
	if all.Allow() {
		return nil
	}
	after := seconds(math.Max((1-max(all.Tokens(), 0))/(crowd*l.cfg.PerSecond), 1))
	h["Ratelimit-Remaining"], h["Ratelimit-Reset"] = []string{"0"}, []string{after} // what the client has left helps it nothing
	return RateLimited.Errorf("too many requests from your address: slow down").WithDetail(comeBack, after)
}

// bucket is that of a client, which gets so many times the limit.
func (l *limiter) bucket(client string, times int) *rate.Limiter {
	bucket, ok := l.clients.GetIfPresent(client)
	if !ok {
		bucket, _ = l.clients.SetIfAbsent(client, rate.NewLimiter(rate.Limit(l.cfg.PerSecond*float64(times)), l.cfg.Burst*times))
	}
	return bucket
}

// take counts one request of a client and writes the RateLimit headers. Code: RateLimited.
func (l *limiter) take(h http.Header, client string) error {
	bucket := l.bucket(client, 1)
	taken := bucket.Allow()
	left := max(bucket.Tokens(), 0)
	said := []string{strconv.Itoa(int(left)), seconds((float64(l.cfg.Burst) - left) / l.cfg.PerSecond)}
	h["Ratelimit-Limit"] = l.burst // in the spelling of package http, which would make it anew each time
	h["Ratelimit-Remaining"] = said[0:1:1]
	h["Ratelimit-Reset"] = said[1:2:2]
	if taken {
		return nil
	}
	return RateLimited.Errorf("too many requests: slow down").
		WithDetail(comeBack, seconds(math.Max((1-left)/l.cfg.PerSecond, 1)))
}

// seconds rounds up, so that nobody comes back too early.
func seconds(s float64) string { return strconv.Itoa(int(math.Ceil(s))) }
