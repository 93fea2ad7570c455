package e2e

import (
	"database/sql"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// audited is what "app audit --json" prints.
type audited struct {
	Checks []struct {
		Rule                 string
		Examined, Violations int
	}
	Findings []struct{ Rule, Subject, Detail string }
}

// TestAudit changes a number behind the back of a stopped shop, in the stock or in an
// order: the audit names the row and what is wrong with it, and says so to scripts by
// its exit code. Once the number is what it was, nothing is wrong.
func TestAudit(t *testing.T) {
	t.Parallel()
	s := shoptest.Serve(t, shoptest.NewSite(t))
	order := s.Customer(t).Buy(t, shoptest.Staple, 2, "tok_visa")
	require.Equal(t, "confirmed", order.Text("status"), order.Raw)
	s.Quiet(t)
	require.Zero(t, s.Stop(t), s.Log)
	require.Contains(t, s.OK(t, "audit"), "\nNo violation found.\n")

	for name, c := range map[string]struct {
		module, change, back, key string
		rule, subject, detail     string // of the finding; the detail as a pattern
	}{
		"stock": {
			"inventory", "UPDATE stock SET on_hand = on_hand + 1 WHERE sku = ?", "UPDATE stock SET on_hand = on_hand - 1 WHERE sku = ?", shoptest.Staple,
			"inventory.books_balance", "sku " + shoptest.Staple, `^on hand is \d+, its movements add up to \d+$`,
		},
		"order": {
			"orders", "UPDATE orders SET subtotal = subtotal - 1, total = total - 1, updated_at = '2020' || substr(updated_at, 5) WHERE id = ?",
			"UPDATE orders SET subtotal = subtotal + 1, total = total + 1 WHERE id = ?", order.Text("id"),
			"orders.totals_match", "order " + order.Text("id"), `^the subtotal is .+, the lines give .+$`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			alter(t, s.Site, c.module, c.change, c.key)
			r := s.App(t, "audit")
			require.Equal(t, 3, r.Code, r.Stdout+r.Stderr)
			require.Contains(t, r.Stdout, "\nVIOLATION of "+c.rule+"\n  "+c.subject+": ")
			require.Regexp(t, `\n\d+ violations found\.\n$`, r.Stdout)

			r = s.App(t, "audit", "--json")
			require.Equal(t, 3, r.Code, r.Stdout+r.Stderr)
			var report audited
			require.NoError(t, json.Unmarshal([]byte(r.Stdout), &report), r.Stdout)
			found := 0
			for _, f := range report.Findings {
				if f.Rule == c.rule {
					found++
					require.Equal(t, c.subject, f.Subject)
					require.Regexp(t, c.detail, f.Detail)
				}
			}
			require.Equal(t, 1, found, r.Stdout)
			for _, check := range report.Checks {
				if check.Rule == c.rule {
					require.Equal(t, 1, check.Violations)
				}
			}

			alter(t, s.Site, c.module, c.back, c.key)
			require.Contains(t, s.OK(t, "audit"), "\nNo violation found.\n")
		})
	}
}

// alter changes one row in the file of a module, past the shop.
func alter(t *testing.T, at shoptest.Site, module, statement, key string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(at.Data, module+".db")+"?_pragma=busy_timeout(10000)")
	require.NoError(t, err)
	changed, err := db.ExecContext(t.Context(), statement, key)
	require.NoError(t, err)
	n, err := changed.RowsAffected()
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	require.NoError(t, db.Close())
}
