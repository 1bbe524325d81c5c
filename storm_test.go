package thinghub_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/certs"
)

// A storm of devices all connect at the same moment over mutual TLS, and all get in with
// their own certificate. They come back in a second storm, with resumed TLS sessions and
// in the place of their old connections: all but those that were revoked meanwhile.
func TestStorm(t *testing.T) {
	t.Parallel()
	const (
		devices = 1000
		late    = 2 * time.Minute // however busy the machine is
	)
	g := newGuarded(t, func(c *thinghub.Config) {
		c.CertificateConfig.Keys = certs.P256
		c.Gateway.ConnectTimeout = late
	})
	g.policy(t, "all", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:*","Resource":"*"}}`)
	name := func(i int) string { return fmt.Sprintf("pump-%d", i) }
	var (
		ids     [devices]string
		configs [devices]*tls.Config
		resumed [devices]bool
	)
	for i := range devices {
		c, err := g.Certificates().IssueKeys(t.Context(), certs.Terms{Status: certs.Active})
		require.NoError(t, err)
		require.NoError(t, g.Policies().AttachPolicy(t.Context(), "all", c.ARN))
		pair, err := tls.X509KeyPair([]byte(c.PEM), []byte(c.Keys.PrivateKey))
		require.NoError(t, err)
		ids[i] = c.ID
		configs[i] = &tls.Config{
			Certificates: []tls.Certificate{pair}, RootCAs: g.Certificates().CAPool(), ServerName: "localhost",
			ClientSessionCache: tls.NewLRUClientSessionCache(1),
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), late)
	defer cancel()
	// storm connects all devices at once and returns what became of each.
	storm := func() (failed [devices]error) {
		start := make(chan struct{})
		var all sync.WaitGroup
		for i := range devices {
			all.Go(func() {
				<-start
				nc, err := (&tls.Dialer{Config: configs[i]}).DialContext(ctx, "tcp", g.addr)
				if err != nil {
					failed[i] = err
					return
				}
				t.Cleanup(func() { _ = nc.Close() })
				resumed[i] = nc.(*tls.Conn).ConnectionState().DidResume
				client := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(nc), PacketTimeout: late})
				_, failed[i] = client.Connect(ctx, &paho.Connect{ClientID: name(i), CleanStart: true, KeepAlive: 600})
			})
		}
		close(start)
		all.Wait()
		return failed
	}

	for i, err := range storm() {
		require.NoError(t, err, name(i))
		info, ok := g.Client(name(i))
		require.True(t, ok, name(i))
		require.Equal(t, ids[i], info.Principal)
	}
	require.Len(t, g.Clients(), devices)

	revoked := func(i int) bool { return i%10 == 0 }
	for i := range devices {
		if revoked(i) {
			require.NoError(t, g.Certificates().UpdateCertificate(t.Context(), ids[i], certs.Revoked))
		}
	}
	again := 0
	for i, err := range storm() {
		if revoked(i) {
			require.Error(t, err, name(i))
			continue
		}
		require.NoError(t, err, name(i))
		if resumed[i] {
			again++
		}
	}
	require.Len(t, g.Clients(), devices-devices/10)
	require.NotZero(t, again, "TLS sessions were resumed")
}
