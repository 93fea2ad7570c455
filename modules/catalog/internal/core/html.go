package core

import (
	"strings"

	"github.com/microcosm-cc/bluemonday"
)

// policy lets through what a person may format text with: no scripts, styles,
// forms or frames. It is safe for concurrent use and never changed.
var policy = bluemonday.UGCPolicy()

// sanitise makes HTML of a stranger safe to show in the shop's pages.
func sanitise(html string) string {
	html = strings.TrimSpace(html)
	if !strings.ContainsAny(html, "<>&\"'\r") {
		return html // plain text, which the policy would not change
	}
	return strings.TrimSpace(policy.Sanitize(html))
}
