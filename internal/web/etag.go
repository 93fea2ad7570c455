package web

import (
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
	tag := strings.TrimSpace(ifMatch)
	version, err := strconv.ParseInt(strings.Trim(tag, `"`), 10, 64)
	if err != nil || version < 0 || tag != ETag(version) { // one version has one tag
		return 0, fault.Malformed.Errorf(`If-Match must be the ETag of the last answer, such as "7"`).
			WithField("header/If-Match", `must be an ETag such as "7"`)
	}
	return version, nil
}
