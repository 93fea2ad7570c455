package web

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
)

// ETag writes a version as an entity tag: "7" in quotes.
func ETag(version int64) string { return strconv.Quote(strconv.FormatInt(version, 10)) }

// AnyVersion is what If-Match: * asks for.
const AnyVersion int64 = -1

// ParseETag reads the value of If-Match: one tag of ours, or *.
// Code: Malformed.
func ParseETag(ifMatch string) (int64, error) {
	if strings.TrimSpace(ifMatch) == "*" {
		return AnyVersion, nil
	}
	text, err := strconv.Unquote(strings.TrimSpace(ifMatch))
	version, parseErr := strconv.ParseInt(text, 10, 64)
	if err != nil || parseErr != nil || version < 0 {
		return 0, fault.Malformed.Errorf(`If-Match must be the ETag of the last answer, such as "7"`).
			WithField("header/If-Match", `must be an ETag such as "7"`)
	}
	return version, nil
}

// MaxWait is the longest a client can ask us to wait.
const MaxWait = 10 * time.Second

// PreferWait reads the header Prefer: wait=N (RFC 7240), N in seconds, cut at
// MaxWait; 0 without one. Preferences that make no sense are ignored, as the RFC says.
func PreferWait(prefer string) time.Duration {
	for part := range strings.FieldsFuncSeq(prefer, func(r rune) bool { return r == ',' || r == ';' }) {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		n, err := strconv.Atoi(strings.Trim(strings.TrimSpace(value), `"`))
		if err != nil || n < 0 {
			return 0
		}
		return min(time.Duration(min(n, 3600))*time.Second, MaxWait)
	}
	return 0
}

// strictUnmarshal refuses fields that v does not have.
func strictUnmarshal(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}
