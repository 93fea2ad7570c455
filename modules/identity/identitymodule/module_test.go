package identitymodule_test

import (
	"context"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/port/porttest"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/identity"
	"github.com/banyan-tree/banyan/modules/identity/identitymodule"
	"github.com/banyan-tree/banyan/modules/identity/identitytest"
)

const issuer = "https://shop.example"

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func setup(t *testing.T, db *database.DB, now clock.Clock) *identitymodule.Module {
	t.Helper()
	require.NoError(t, db.Migrate(t.Context(), identitymodule.Migrations()...))
	return instance(t, db, now)
}

// instance is one more process on the same database.
func instance(t *testing.T, db *database.DB, now clock.Clock) *identitymodule.Module {
	t.Helper()
	m, err := identitymodule.New(identitymodule.Deps{
		DB: db, Now: now, NewID: id.V7, Log: slog.New(slog.DiscardHandler), Issuer: issuer,
	})
	require.NoError(t, err)
	return m
}

// rows counts the rows of a table.
func rows(t *testing.T, db *database.DB, table string) int64 {
	t.Helper()
	var n int64
	require.NoError(t, db.Conn(t.Context()).Table(table).Count(&n).Error)
	return n
}

// work runs a task until done says so.
func work(t *testing.T, m *identitymodule.Module, name string, done func() bool) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for _, task := range m.Tasks {
		if task.Name == name {
			ended := make(chan error, 1)
			go func() { ended <- task.Run(ctx) }()
			require.Eventually(t, done, 2*time.Minute, 20*time.Millisecond)
			stop()
			require.NoError(t, <-ended)
			return
		}
	}
	require.Fail(t, "no task", name)
}

func TestModuleKeepsItsContract(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		m := setup(t, db, clock.System)
		porttest.Ways(t, func(s *port.Server) { identity.Serve(s, m.Service) }, func(t *testing.T, conn *port.Conn) {
			identitytest.Exercise(t, identity.NewClient(conn))
		})
	})
}

func TestFakeKeepsTheContractToo(t *testing.T) {
	t.Parallel()
	identitytest.Exercise(t, identitytest.NewFake())
}

func TestEveryMethodHasAPort(t *testing.T) {
	t.Parallel()
	porttest.Complete(t, reflect.TypeFor[identity.Service](),
		porttest.Served(func(s *port.Server) { identity.Serve(s, identitytest.NewFake()) })...)
}

func TestIssuerIsNeeded(t *testing.T) {
	t.Parallel()
	_, err := identitymodule.New(identitymodule.Deps{})
	require.Error(t, err)
}

func TestNewUsersAreAnnouncedOnce(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		m := setup(t, db, clock.System)
		customer := identitytest.MustRegister(t, m.Service)
		staff := identitytest.MustGrant(t, m.Service, port.RoleStaff)
		_, err := m.Service.Register(t.Context(), identity.RegisterRequest{Email: customer.Email, Password: identitytest.Password, Name: "x"})
		require.ErrorIs(t, err, identity.EmailTaken)
		_, err = m.Service.GrantRoles(identitytest.Shop(), identity.GrantRolesRequest{Email: staff.Email, Roles: []string{port.RoleAdmin}})
		require.NoError(t, err)

		var told []struct {
			Topic, Type, AggregateID, Data string
			Version                        int64
		}
		require.NoError(t, db.Conn(t.Context()).Table("outbox").Order("recorded_at, id").Find(&told).Error)
		require.Len(t, told, 2)
		for i, u := range []identity.User{customer, staff} {
			require.Equal(t, identity.Topic, told[i].Topic)
			require.Equal(t, identity.Registered.Name(), told[i].Type)
			require.Equal(t, u.ID, told[i].AggregateID)
			require.EqualValues(t, 1, told[i].Version)
			require.JSONEq(t, `{"user_id":"`+u.ID+`","email":"`+u.Email+`","name":"`+u.Name+`","roles":["`+u.Roles[0]+`"]}`, told[i].Data)
		}
	})
}

func TestNoSecretIsKept(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		m := setup(t, db, clock.System)
		u := identitytest.MustRegister(t, m.Service)
		s := identitytest.MustLogIn(t, m.Service, u)
		var hash string
		require.NoError(t, db.Conn(t.Context()).Table("users").Where("id = ?", u.ID).Pluck("password_hash", &hash).Error)
		require.Regexp(t, `^\$argon2id\$v=19\$m=19456,t=2,p=1\$`, hash)
		var tokens []string
		require.NoError(t, db.Conn(t.Context()).Table("refresh_tokens").Pluck("hash", &tokens).Error)
		require.Len(t, tokens, 1)
		require.Len(t, tokens[0], 64)
		require.NotContains(t, tokens[0], s.RefreshToken)
		require.Len(t, s.RefreshToken, 43, "256 bits")
	})
}

func TestRefreshTokensExpire(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		now := clock.NewFake(start)
		m := setup(t, db, now.Now)
		u := identitytest.MustRegister(t, m.Service)
		used, forgotten := identitytest.MustLogIn(t, m.Service, u), identitytest.MustLogIn(t, m.Service, u)
		now.Advance(29 * 24 * time.Hour)
		used = identitytest.MustRefresh(t, m.Service, used)
		now.Advance(24 * time.Hour)
		_, err := m.Service.Refresh(t.Context(), identity.RefreshRequest{RefreshToken: forgotten.RefreshToken})
		require.ErrorIs(t, err, identity.InvalidRefresh)
		_, err = m.Service.LogIn(t.Context(), identity.LogInRequest{Email: u.Email, Password: "wrong wrong wrong"})
		require.ErrorIs(t, err, identity.InvalidCredentials)

		now.Advance(time.Hour)
		work(t, m, "identity.purge", func() bool {
			return rows(t, db, "sessions") == 1 && rows(t, db, "refresh_tokens") == 1 && rows(t, db, "log_in_attempts") == 0
		})
		identitytest.MustRefresh(t, m.Service, used)
	})
}
