package shopcsv

import (
	"encoding/csv"
	"errors"
	"io"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func seeds(f *testing.F) {
	for _, name := range []string{"testdata/apparel.csv", "testdata/home-and-garden.csv"} {
		sample, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(string(sample[:2000]))
	}
	f.Add("Handle,Title,Option1 Value,Variant Price\na,\"A\nb\",x,1\n,,,\nb,B\"\nc,\"C\n")
	f.Add("\xef\xbb\xbfHandle,Title,Option1 Value,Variant Price\r\n\"a\",\"\"\"\",x,1.00\r\na,,y,\r\n")
}

// FuzzReader: whatever the file is, reading ends, each product is whole and each
// refusal has a line and a reason.
func FuzzReader(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in string) {
		r, err := NewReader(strings.NewReader(in), 2)
		if err != nil {
			return
		}
		lines := strings.Count(in, "\n") + 1
		handles := map[string]bool{}
		for n := 0; ; n++ {
			require.LessOrEqual(t, n, lines, "more products than lines")
			p, err := r.Next()
			var refusal *Refusal
			switch {
			case errors.Is(err, io.EOF):
				return
			case errors.As(err, &refusal):
				require.NotEmpty(t, refusal.Reason)
				require.Less(t, len(refusal.Reason), 4000, "a report is read by people")
				require.True(t, refusal.Line > 1 && refusal.Line <= lines, refusal.Line)
				continue
			}
			require.NoError(t, err)
			require.False(t, handles[p.Handle], "a handle comes once")
			handles[p.Handle] = true
			require.NotEmpty(t, p.Title)
			require.NotEmpty(t, p.Variants)
			skus := map[string]bool{}
			for _, v := range p.Variants {
				require.NotEmpty(t, v.SKU)
				require.False(t, skus[v.SKU])
				skus[v.SKU] = true
				require.GreaterOrEqual(t, v.Price, int64(0))
				require.True(t, v.Quantity == nil || *v.Quantity >= 0)
			}
		}
	})
}

// FuzzRecords: where encoding/csv reads a file to its end, so do we, and the same.
func FuzzRecords(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in string) {
		theirs := csv.NewReader(strings.NewReader(in))
		theirs.FieldsPerRecord = -1
		want, err := theirs.ReadAll()
		if err != nil || strings.HasPrefix(in, "\xef\xbb\xbf") || len(in) > maxRecord {
			return
		}
		if slices.ContainsFunc(want, func(fields []string) bool { return len(fields) > maxFields }) {
			return // ours are bounded
		}
		ours := newRecords(strings.NewReader(in))
		for _, fields := range want {
			rec, err := ours.next()
			require.NoError(t, err)
			require.Equal(t, fields, rec.fields)
		}
		_, err = ours.next()
		require.ErrorIs(t, err, io.EOF)
	})
}

// FuzzNumbers: a price is the very number in minor units and a count a whole number
// within its bounds, or they are refused.
func FuzzNumbers(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string, digits uint8) {
		n := int(digits % 5)
		if minor, err := price(text, n); err == nil {
			require.GreaterOrEqual(t, minor, int64(0))
			want, ok := new(big.Rat).SetString(strings.TrimSuffix(text, "."))
			require.True(t, ok, text)
			want.Mul(want, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)))
			require.Zero(t, want.Cmp(new(big.Rat).SetInt64(minor)), "%q became %d", text, minor)
		} else {
			require.NotEmpty(t, err.Error())
		}
		if n, err := count(text); err == nil {
			require.True(t, n >= 0 && n <= maxCount, n)
		}
	})
}
