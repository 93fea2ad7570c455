package shopcsv

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxCount bounds quantities and weights: nobody has more of a thing.
const maxCount = 1_000_000_000

var errNoPrice = errors.New("is no price: write it like 1299.90")

// price reads a decimal number into minor units of a currency with so many
// digits after the point. Nothing is rounded: zeros beyond the digits are left
// out, anything else there is refused.
func price(s string, digits int) (int64, error) {
	whole, fraction, pointed := strings.Cut(s, ".")
	if !allDigits(whole) || pointed && fraction != "" && !allDigits(fraction) {
		return 0, fmt.Errorf("%q %w", s, errNoPrice)
	}
	if len(fraction) > digits {
		if strings.Trim(fraction[digits:], "0") != "" {
			return 0, fmt.Errorf("%q has more than the %d decimals of the shop's currency", s, digits)
		}
		fraction = fraction[:digits]
	}
	fraction += strings.Repeat("0", digits-len(fraction))
	minor, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is too much", s)
	}
	return minor, nil
}

// count reads a whole number from 0 to maxCount, empty being 0. Decimals that
// are all zero are taken, as some exports write grams.
func count(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	whole, fraction, _ := strings.Cut(s, ".")
	switch {
	case strings.HasPrefix(s, "-") && allDigits(whole[1:]):
		return 0, fmt.Errorf("is %s: it cannot be below 0", s)
	case !allDigits(whole) || strings.Trim(fraction, "0") != "":
		return 0, fmt.Errorf("is %q: it must be a whole number", s)
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n > maxCount {
		return 0, fmt.Errorf("is %s: it cannot be above %d", s, maxCount)
	}
	return n, nil
}

func allDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}
