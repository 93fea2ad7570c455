package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/banyan-tree/banyan/cmd/app/demo"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/identity"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/pricing"
)

// flagship is a product of the demo catalogue.
const flagship = "fiddle-leaf-fig"

// demoAdmin is the admin of a shop that was started to be tried out.
const demoAdmin = "admin@banyan.example"

// firstStart makes what a new shop lacks: an admin, and with --demo something
// to sell.
func (s *server) firstStart(ctx context.Context, withDemo bool) error {
	ctx = operator(ctx)
	if withDemo && !(s.sells() && s.opensAccounts()) {
		return exit{exitUsage, "--demo needs catalog, pricing, inventory and identity in this process; give it to the one that runs them"}
	}
	if email := s.cfg.Admin.Email; email != "" && s.opensAccounts() {
		// The settings name the admin; the password is set at each start, so that it can be changed there.
		if _, err := s.makeAdmin(ctx, email, s.cfg.Admin.Password, false); err != nil {
			return err
		}
	}
	if !withDemo {
		return nil
	}
	if s.cfg.Admin.Email == "" {
		if err := s.demoAdmin(ctx); err != nil {
			return err
		}
	}
	return s.demoCatalogue(ctx)
}

// adminPatience is how long a start tries to make the admin. A database that comes
// back, or a machine that starts much else, may need a moment.
const adminPatience = 30 * time.Second

// makeAdmin makes sure of an admin, and says what it changed of a user who was there
// already: that may be one who did not ask for it. With keep the password is for a new
// one only; it tells then whether another one was kept. To repeat it changes nothing.
func (s *server) makeAdmin(ctx context.Context, email, password string, keep bool) (kept bool, err error) {
	for began := time.Now(); ; {
		granted, err := s.contracts.identity.GrantRoles(ctx, identity.GrantRolesRequest{
			Email: email, Password: password, Name: "Admin", Roles: []string{port.RoleCustomer, port.RoleAdmin},
			KeepPassword: keep,
		})
		if err == nil {
			var changed []string
			if slices.Contains(granted.NewRoles, port.RoleAdmin) {
				changed = append(changed, "role")
			}
			if granted.PasswordChanged {
				changed = append(changed, "password")
			}
			if len(changed) > 0 {
				s.log.WarnContext(ctx, "the admin was there already as a user, and was changed",
					"email", granted.Email, "id", granted.ID, "changed", strings.Join(changed, ","))
			}
			return granted.PasswordKept, nil
		}
		if !fault.Retryable(err) || time.Since(began) > adminPatience {
			return false, fmt.Errorf("make the admin %s: %w", email, err)
		}
		s.log.WarnContext(ctx, "the admin could not be made, trying again", "email", email, "error", err)
		select {
		case <-time.After(250 * time.Millisecond):
		case <-ctx.Done():
			return false, fmt.Errorf("make the admin %s: %w", email, ctx.Err())
		}
	}
}

// demoAdmin makes an admin with a password of its own and keeps that in a file
// only the owner can read, so that later starts can print the same line. A password
// that somebody set since is kept; where the file is gone, a new one is made and set.
func (s *server) demoAdmin(ctx context.Context) error {
	file := s.demoPasswordFile()
	known, err := os.ReadFile(file)
	if err == nil {
		s.adminPassword = strings.TrimSpace(string(known))
	} else if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the demo admin's password: %w", err)
	}
	isNew := s.adminPassword == ""
	if isNew {
		secret := make([]byte, 15)
		_, _ = rand.Read(secret) // never fails: it ends the process instead
		s.adminPassword = base64.RawURLEncoding.EncodeToString(secret)
		if err := os.MkdirAll(s.cfg.Data.Dir, 0o700); err != nil {
			return fmt.Errorf("make the data folder: %w", err)
		}
		if err := os.WriteFile(file, []byte(s.adminPassword+"\n"), 0o600); err != nil {
			return fmt.Errorf("keep the demo admin's password: %w", err)
		}
	}
	kept, err := s.makeAdmin(ctx, demoAdmin, s.adminPassword, !isNew)
	if kept {
		s.adminPassword, s.adminChanged = "", true
	}
	return err
}

func (s *server) demoPasswordFile() string {
	return filepath.Join(s.cfg.Data.Dir, "demo-admin-password")
}

// demoCatalogue imports the demo catalogue once: where its first product is for
// sale, whatever became of it since, the rest is left alone too.
func (s *server) demoCatalogue(ctx context.Context) error {
	done, err := s.demoIsThere(ctx)
	if err != nil || done {
		return err
	}
	csv := demo.Catalogue()
	if money.MinorDigits(s.cfg.Currency) == 0 {
		if csv, err = demo.WholePrices(); err != nil {
			return err
		}
	}
	report, err := s.importProducts(ctx, bytes.NewReader(csv), int64(len(csv)), false, nil)
	if err != nil {
		return fmt.Errorf("import the demo catalogue: %w", err)
	}
	if len(report.Refused) > 0 {
		return fmt.Errorf("import the demo catalogue: %d products were refused, the first because of: %s", len(report.Refused), report.Refused[0].Reason)
	}
	s.imported = report.Created
	return nil
}

// demoIsThere tells whether the demo catalogue was imported to the end. Products
// come first, so after a crash there may be some without price or stock.
func (s *server) demoIsThere(ctx context.Context) (bool, error) {
	product, err := s.contracts.catalog.Get(ctx, catalog.GetRequest{Handle: flagship})
	if errors.Is(err, catalog.ProductNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the demo catalogue: %w", err)
	}
	var skus []string
	for _, v := range product.Variants {
		skus = append(skus, v.SKU)
	}
	prices, err := s.contracts.pricing.Prices(ctx, pricing.PricesRequest{SKUs: skus})
	if err != nil {
		return false, fmt.Errorf("look for the demo catalogue's prices: %w", err)
	}
	levels, err := s.contracts.inventory.Levels(ctx, inventory.LevelsRequest{SKUs: skus})
	if err != nil {
		return false, fmt.Errorf("look for the demo catalogue's stock: %w", err)
	}
	return len(prices.Items) == len(skus) && len(levels.Items) == len(skus), nil
}

// greet tells where the shop is, and gives one line to try it with.
func (s *server) greet() {
	shop := s.shopURL
	out := s.stdout
	fmt.Fprintf(out, "\nThe shop is open.\n\n  shop      %s/api/v1/products\n  docs      %s/docs\n", shop, shop)
	fmt.Fprintf(out, "  health    %s/health/ready\n  metrics   %s/metrics\n  data      %s\n", shop, s.opsURL, s.Cluster.Describe())
	if s.imported > 0 {
		fmt.Fprintf(out, "  demo      %d products imported\n", s.imported)
	}
	if s.adminPassword != "" {
		fmt.Fprintf(out, "  admin     %s  password %s\n", demoAdmin, s.adminPassword)
	} else if s.adminChanged {
		fmt.Fprintf(out, "  admin     %s  with the password that was set since; to get a new one, remove %s and start again\n", demoAdmin, s.demoPasswordFile())
	} else if s.cfg.Admin.Email != "" {
		fmt.Fprintf(out, "  admin     %s\n", s.cfg.Admin.Email)
	}
	if lost := s.Begun(); len(lost) > 0 {
		fmt.Fprintf(out, "\nWARNING: these data were missing and have been begun anew:\n\n  %s\n\n", strings.Join(lost, "\n  "))
		fmt.Fprint(out, "If they were lost, stop the shop, and restore the data of all modules from one backup.\nIf the modules are new in this shop, all is well.\n")
	}
	fmt.Fprintf(out, "\nTry it:\n\n  curl -s '%s/api/v1/products?limit=3'\n\nStop with Ctrl-C.\n\n", shop)
}
