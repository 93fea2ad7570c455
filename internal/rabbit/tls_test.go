package rabbit_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// Over TLS both ends show who they are, and who shows something else is told why it
// is refused.
func TestTLS(t *testing.T) {
	t.Parallel()
	// Not t.TempDir, which is closed to the user that a broker runs as.
	folder, err := os.MkdirTemp("", "banyan-tls-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	require.NoError(t, os.Chmod(folder, 0o755))
	ours, theirs := newAuthority(t, folder, "ca"), newAuthority(t, folder, "other-ca")
	ours.issue(t, folder, "server")
	ours.issue(t, folder, "client")
	theirs.issue(t, folder, "stranger")
	at := testenv.RabbitMQOverTLS(t, folder)
	file := func(name string) string { return filepath.Join(folder, name) }
	good := rabbit.Config{URL: at, CAFile: file("ca.pem"), CertFile: file("client.pem"), KeyFile: file("client.key")}

	open := func(c rabbit.Config, log *lines) *rabbit.Broker {
		c.Log = slog.New(slog.NewTextHandler(log, nil))
		b, err := rabbit.New(c)
		require.NoError(t, err)
		return b
	}
	here, there := open(good, &lines{}), open(good, &lines{})
	there.Serve(newShop().server(t), rabbit.Limits{})
	rabbittest.Run(t, there, here)
	said, err := look.Call(t.Context(), client(t, here), "fig")
	require.NoError(t, err)
	require.Equal(t, "fig for ", said)

	wrongPassword, err := url.Parse(at)
	require.NoError(t, err)
	wrongPassword.User = url.UserPassword("banyan", "not-the-password")
	for name, c := range map[string]struct {
		change func(*rabbit.Config)
		says   string
	}{
		"a broker of another authority": {func(c *rabbit.Config) { c.CAFile = file("other-ca.pem") }, "certificate signed by unknown authority"},
		"no certificate":                {func(c *rabbit.Config) { c.CertFile, c.KeyFile = "", "" }, "certificate required"},
		// It is not even shown to a broker that names the authorities it believes.
		"a stranger's certificate": {func(c *rabbit.Config) { c.CertFile, c.KeyFile = file("stranger.pem"), file("stranger.key") }, "certificate required"},
		"a wrong password":         {func(c *rabbit.Config) { c.URL = wrongPassword.String() }, "username or password not allowed"},
		"another name":             {func(c *rabbit.Config) { c.URL = strings.Replace(at, "127.0.0.1", "localhost", 1) }, "wanted to match localhost"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, log := good, &lines{}
			c.change(&config)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			over := make(chan error, 1)
			b := open(config, log)
			go func() { over <- b.Call(ctx) }()
			require.Eventually(t, func() bool { return strings.Contains(log.String(), c.says) }, patience, 5*time.Millisecond, "%s", log)
			require.NotContains(t, log.String(), "not-the-password")
			stop()
			require.NoError(t, <-over)
		})
	}

	for name, c := range map[string]rabbit.Config{
		"no such authority":      {URL: at, CAFile: file("none.pem")},
		"a key that is none":     {URL: at, CertFile: file("client.pem"), KeyFile: file("ca.pem")},
		"a CA that is none":      {URL: at, CAFile: file("client.key")},
		"somebody else's key":    {URL: at, CertFile: file("client.pem"), KeyFile: file("stranger.key")},
		"no such certificate":    {URL: at, CertFile: file("none.pem"), KeyFile: file("client.key")},
		"no address of a broker": {URL: "http://127.0.0.1"},
	} {
		_, err := rabbit.New(c)
		require.Error(t, err, name)
	}
}

// lines is a log that is read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// authority is a certificate authority of a test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, folder, name string) authority {
	t.Helper()
	return authority{}.sign(t, folder, name, &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	})
}

// issue writes a certificate for this machine's loopback address, and its key.
func (a authority) issue(t *testing.T, folder, name string) {
	t.Helper()
	a.sign(t, folder, name, &x509.Certificate{
		KeyUsage: x509.KeyUsageDigitalSignature, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
}

// sign writes name.pem and name.key. An authority without a key signs itself.
func (a authority) sign(t *testing.T, folder, name string, c *x509.Certificate) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	c.Subject, c.NotBefore, c.NotAfter = pkix.Name{CommonName: name}, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	by := a
	if by.key == nil {
		by = authority{c, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by.certificate, key.Public(), by.key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: secret}} {
		// Read by the broker, which is another user; it is for an hour of a test.
		require.NoError(t, os.WriteFile(filepath.Join(folder, file), pem.EncodeToMemory(block), 0o644)) //nolint:gosec // see above
	}
	signed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return authority{signed, key}
}
