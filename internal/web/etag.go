package web

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

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

// strictUnmarshal refuses fields that v does not have.
func strictUnmarshal(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}
