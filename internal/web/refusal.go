package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/telemetry"
)

// What the server of Go's library refuses before anything of ours sees it.
var (
	HeadersTooLarge = fault.Define("headers.too_large", fault.KindMalformed)    // answered 431
	UnknownCoding   = fault.Define("coding.unsupported", fault.KindMalformed)   // answered 501
	UnknownProtocol = fault.Define("protocol.unsupported", fault.KindMalformed) // answered 505
)

// conn is a connection on which such a refusal is said as every other error is. The
// library writes it in one piece past its handler, with these headers and no others.
type conn struct {
	net.Conn
	left func() // closed
}

const bareHeaders = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	if text, is := bareRefusal(p); is {
		if _, err := c.Conn.Write(text); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// Close implements net.Conn.
func (c *conn) Close() error {
	if c.left != nil {
		c.left()
	}
	return c.Conn.Close()
}

// CloseWrite lets the client read the last words: the library asks for it.
func (c *conn) CloseWrite() error {
	if half, can := c.Conn.(interface{ CloseWrite() error }); can {
		return half.CloseWrite()
	}
	return nil
}

// bareRefusal recognises what the library itself refuses with, and says it in our words.
func bareRefusal(p []byte) ([]byte, bool) {
	const version = "HTTP/1.1 "
	if !bytes.HasPrefix(p, []byte(version)) {
		return nil, false
	}
	line, rest, found := bytes.Cut(p, []byte("\r\n"))
	if !found || !bytes.HasPrefix(rest, []byte(bareHeaders[2:])) {
		return nil, false
	}
	code, why, _ := strings.Cut(string(line[len(version):]), " ")
	status, err := strconv.Atoi(code)
	if err != nil {
		return nil, false
	}
	_, why, _ = strings.Cut(why, ": ") // "Bad Request: missing required Host header"
	var f *fault.Error
	switch status {
	case http.StatusRequestHeaderFieldsTooLarge:
		f = HeadersTooLarge.Errorf("the request line and headers are more than is read: 64 KiB")
	case http.StatusNotImplemented:
		f = UnknownCoding.Errorf("the body is in a transfer coding that is not known here: send it as it is, or in chunks")
	case http.StatusHTTPVersionNotSupported:
		f = UnknownProtocol.Errorf("this server speaks HTTP/1.1")
	case http.StatusBadRequest:
		f = fault.Malformed.Errorf("the request cannot be read as HTTP")
		if why != "" {
			f = fault.Malformed.Errorf("the request cannot be read: %s", why)
		}
	default:
		return nil, false
	}
	return answerOf(status, f, ""), true
}

// refusal is the whole answer to a connection that is not let in.
func refusal(f *fault.Error, retryAfter string) []byte {
	return answerOf(f.Code.Kind().HTTPStatus(), f, "Retry-After: "+retryAfter+"\r\n")
}

func answerOf(status int, f *fault.Error, headers string) []byte {
	id := telemetry.TraceID(telemetry.EnsureTrace(context.Background())) // no request, no trace of it
	body, err := json.Marshal(Problem{
		Type: problemBase + f.Code.Name(), Title: title(status), Status: status, Detail: f.Message, Code: f.Code.Name(), TraceID: id,
	})
	if err != nil { // strings and numbers only: cannot happen
		panic(err)
	}
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\nConnection: close\r\nContent-Length: %d\r\nX-Trace-Id: %s\r\n%s\r\n%s\n",
		status, title(status), len(body)+1, id, headers, body)
}
