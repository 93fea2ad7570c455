package story

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A story in which nothing happens is the same on every wiring. This one has all of
// this in it, as the shop told it.
func TestStoryHasTheHardCases(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(goldenFile)
	require.NoError(t, err)
	text := string(raw)
	for _, c := range []struct {
		least int
		what  string
	}{
		{5, " at once: "}, {1, `   2 × `}, {15, "Idempotency-Replayed=true"}, {5, `"idempotency_key.reused"`},
		{10, `"reason":"payment.declined"`}, {2, `"reason":"payment.unavailable"`}, {5, `"reason":"stock.insufficient"`}, {5, `"reason":"promotion.invalid"`},
		{1, `"reason":"price.unknown"`}, {1, `"reason":"cart.empty"`}, {1, `"reason":"shipping.unavailable"`}, {10, `"reason":"cancel.requested"`},
		{3, "payments.declined"}, {8, "payments.voided"}, {8, "payments.captured"}, {4, "payments.refunded"},
		{1, "wallet.hold_released"}, {1, "wallet.hold_captured"}, {4, "wallet.cashback"}, {4, "wallet.withdrawn"},
		{5, "shipping.shipment_cancelled"}, {8, "shipping.shipment_dispatched"}, {4, "shipping.shipment_delivered"},
		{3, "product.version_mismatch"}, {15, `"forbidden"`}, {5, `"order.not_found"`}, {10, `"order.not_cancellable"`},
		{15, "   authorised "}, {8, "   voided "}, {3, "   refunded "}, {3, "   declined "},
	} {
		require.GreaterOrEqual(t, strings.Count(text, c.what), c.least, "%q", c.what)
	}
	codes, statuses := map[string]bool{}, map[string]bool{}
	for _, found := range regexp.MustCompile(`\{"code":"([a-z_.]+)"`).FindAllStringSubmatch(text, -1) {
		codes[found[1]] = true
	}
	for _, found := range regexp.MustCompile(`(?m)^   (\d{3}) `).FindAllStringSubmatch(text, -1) {
		statuses[found[1]] = true
	}
	require.GreaterOrEqual(t, len(codes), 35, "different errors: %v", codes)
	require.Subset(t, statuses, map[string]bool{"200": true, "201": true, "202": true, "204": true, "400": true, "401": true, "403": true, "404": true, "405": true, "409": true, "412": true, "422": true, "503": true})
}
