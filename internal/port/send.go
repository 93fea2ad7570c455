package port

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
)

// signatureLife bounds a principal's signature where the call itself has no bound.
const signatureLife = time.Minute

// clockSkew is how far the clocks of two machines of the shop may be apart before
// a fresh signature is refused.
const clockSkew = 30 * time.Second

// send makes the call a message, and the reply message a reply.
func (m *Method[Req, Rep]) send(ctx context.Context, c *Conn, p *policy, req Req, start instant) (rep Rep, err error) {
	if err := early(ctx, start); err != nil {
		return rep, fault.From(err)
	}
	if cc := m.enter(ctx, req, start); cc != nil {
		ctx = cc
		defer cc.finish()
	}
	body, err := Encode(req)
	if err != nil {
		return rep, fault.Internal.Wrap(err, "the request of %s cannot be written", m.info.spec.Name)
	}
	message, err := c.message(ctx, m.info, p, body)
	if err != nil {
		return rep, fault.From(err)
	}
	message.Waits = m.waits != nil && m.waits(req)
	reply, err := p.wire.RoundTrip(ctx, message)
	if err != nil {
		return rep, fault.From(err)
	}
	if reply.Header[HeaderReplayed] == "true" && m.info.spec.Command {
		MarkReplayed(ctx)
	}
	if part := reply.Header[HeaderMisfit]; part != "" {
		return rep, c.misfit(ctx, m.info, part, faultOf(reply))
	}
	if reply.Header[HeaderFault] != "" {
		return rep, faultOf(reply)
	}
	if err := Decode(reply.Body, &rep); err != nil {
		var zero Rep
		return zero, fault.Internal.Wrap(err, "the reply of %s cannot be read", m.info.spec.Name)
	}
	return rep, nil
}

// misfit makes a refusal of this process what it is for whoever called: nobody is there
// who can answer, until somebody mends the settings or the version.
func (c *Conn) misfit(ctx context.Context, i *info, part string, why error) error {
	c.tel.log(ctx, "a call was refused by its server", slog.String("method", i.spec.Name), slog.Any("error", why), slog.String("hint", hints[part]))
	return fault.Unavailable.Wrap(why, "%s cannot be asked at present, try again later", c.module)
}

// message writes what the server must know of ctx.
func (c *Conn) message(ctx context.Context, i *info, p *policy, body []byte) (Message, error) {
	h := map[string]string{
		HeaderKind:        kindQuery,
		HeaderVersion:     strconv.Itoa(i.spec.Version),
		HeaderContentType: ContentType,
	}
	wall := time.Now()
	expires := wall.Add(signatureLife)
	if d, ok := ctx.Deadline(); ok {
		d = wall.Add(d.Sub(wall)) // by the monotonic clock, told by the wall's
		h[HeaderDeadline] = strconv.FormatInt(d.UnixMicro(), 10)
		expires = d.Add(clockSkew)
	}
	if i.spec.Command {
		h[HeaderKind] = kindCommand
		if key := IdempotencyKeyFrom(ctx); !key.IsZero() {
			h[HeaderScope], h[HeaderKey], h[HeaderFingerprint] = key.Scope, key.Key, key.Fingerprint
		}
	}
	signer := c.signer
	if l, ok := p.wire.(*loopback); ok {
		signer = l.signer
	}
	if signer == nil {
		return Message{}, fault.Unauthenticated.Errorf("calls to %s leave this process, but no signer is configured", c.module)
	}
	token, err := signer.Sign(PrincipalFrom(ctx), i.spec.Name, expires)
	if err != nil {
		return Message{}, err
	}
	h[HeaderPrincipal] = token
	injectTrace(ctx, h)
	return Message{Method: i.spec.Name, Header: h, Body: body}, nil
}

// faultOf reads the fault of a reply. What cannot be read is Internal: something
// between caller and server has mangled it.
func faultOf(reply Message) error {
	f := new(fault.Error)
	if err := f.UnmarshalJSON(reply.Body); err != nil {
		return fault.Internal.Wrap(err, "the fault %q cannot be read", reply.Header[HeaderFault])
	}
	return f
}
