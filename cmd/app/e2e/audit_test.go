package e2e

import (
	"database/sql"
	"encoding/json"
	"os"
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
			require.Regexp(t, `\n(1 violation|[2-9] violations) found\.\n$`, r.Stdout)

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

// TestAuditSeesForgottenData takes the data of one module from a stopped shop, or puts an
// older copy in its place, as a restore that went wrong does. All that is left of that
// module is in itself consistent: what the others have of it tells.
func TestAuditSeesForgottenData(t *testing.T) {
	t.Parallel()
	s := shoptest.Serve(t, shoptest.NewSite(t))
	buyer := s.Customer(t)
	first := buyer.Buy(t, shoptest.Staple, 1, "tok_visa")
	s.Quiet(t)
	older := filepath.Join(t.TempDir(), "orders.db")
	dump(t, s.Site, "orders", older)
	buyer.Fund(t, 100_000, "tok_visa")
	second := buyer.Buy(t, shoptest.Staple, 1, shoptest.Wallet)
	require.Equal(t, []string{"confirmed", "confirmed"}, []string{first.Text("status"), second.Text("status")}, second.Raw)
	s.Quiet(t)
	require.Zero(t, s.Stop(t), s.Log)
	require.Contains(t, s.OK(t, "audit"), "\nNo violation found.\n")

	for _, c := range []struct{ name, module, older, subject, witness string }{
		{"orders older", "orders", older, "orders.order " + second.Text("id"), "shipping"},
		{"orders lost", "orders", "", "orders.order " + first.Text("id"), "cart"},
		{"wallet lost", "wallet", "", `wallet.wallet \S+`, "orders"},
	} {
		t.Run(c.name, func(t *testing.T) {
			aside := t.TempDir()
			move(t, s.Data, c.module, aside)
			if c.older != "" {
				data, err := os.ReadFile(c.older)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join(s.Data, c.module+".db"), data, 0o600))
			} else {
				r := s.App(t, "audit")
				require.Equal(t, 1, r.Code, r.Stdout+r.Stderr)
				require.Contains(t, r.Stderr, "there is no "+c.module+".db", "who looks begins nothing")
				s.OK(t, "migrate") // as the next server would
			}
			r := s.App(t, "audit")
			require.Equal(t, 3, r.Code, r.Stdout+r.Stderr)
			require.Regexp(t, `\nVIOLATION of events.nothing_forgotten\n  `+c.subject+`: `+c.module+` has forgotten it: `+c.witness+
				` has applied version \d+, the log of `+c.module+` holds nothing of it;`, r.Stdout)
			if c.older != "" {
				require.NotContains(t, r.Stdout, first.Text("id"), "the copy has all of that one")
			}
			move(t, s.Data, c.module, t.TempDir())
			move(t, aside, c.module, s.Data)
			require.Contains(t, s.OK(t, "audit"), "\nNo violation found.\n")
		})
	}
}

// dump copies the data of a module of a running shop, as a backup does.
func dump(t *testing.T, at shoptest.Site, module, to string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(at.Data, module+".db")+"?_pragma=busy_timeout(10000)")
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "VACUUM INTO ?", to)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

// move moves the files of a module's data.
func move(t *testing.T, from, module, to string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(from, module+".db*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		require.NoError(t, os.Rename(file, filepath.Join(to, filepath.Base(file))))
	}
}
