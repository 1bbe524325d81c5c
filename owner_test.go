package thinghub_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/custom"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/auth/users"
	"github.com/thinghub/thinghub/broker"
)

// A session is of who has made it: a certificate, a user, an access key, credentials of a
// role, an identity of a pool, somebody whom a custom authorizer has given the name of one
// of these. None of the others gets it, or ends it, while it is in use or waits.
func TestSessions_AreOfPrincipals(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	g := newGuarded(t, func(c *thinghub.Config) {
		c.AuthorizerConfig.Functions = map[string]custom.Function{"door": custom.Func(func(_ context.Context, r *custom.Request) (*custom.Response, error) {
			return &custom.Response{IsAuthenticated: true, PrincipalID: r.Token, PolicyDocuments: []custom.Document{allowAnyone}}, nil
		})}
	})
	g.policy(t, "all", allowAnyone)
	_, err := g.Authorizers().CreateAuthorizer(ctx, custom.NewAuthorizer{Name: "corp", FunctionARN: "door", Status: custom.Active, TokenKeyName: "ticket", SigningDisabled: true})
	require.NoError(t, err)
	addr := g.https(t)
	trust := &tls.Config{RootCAs: g.Certificates().CAPool()}
	d, device := g.device(t, "pump-1", "all")
	_, second := g.device(t, "pump-2", "all")
	_, err = g.Users().Create(ctx, users.NewUser{Name: "app", Password: "app-password"})
	require.NoError(t, err)
	key, secret, err := g.AccessKeys().Create(ctx, "app")
	require.NoError(t, err)
	role := g.Roles().RoleARN("app")
	_, guest, member := g.pool(t, role, role)
	for _, target := range []string{g.Users().ARN("app"), g.AccessKeys().ARN("app"), role, member} {
		require.NoError(t, g.Policies().AttachPolicy(ctx, "all", target))
	}
	over := func(c *tls.Config, change func(c *paho.Connect)) *way {
		w := &way{g: g, addr: g.addr, tls: c, connect: paho.Connect{ClientID: "c", KeepAlive: 30}}
		change(&w.connect)
		return w
	}
	none := func(*paho.Connect) {}
	visitor := func(name string) *way {
		return over(trust, func(c *paho.Connect) {
			c.UsernameFlag, c.Username = true, "app?x-amz-customauthorizer-name=corp&ticket="+name
		})
	}
	signed := func(s sigv4.Signer) *way {
		s.Region, s.Service = "local", "iotdevicegateway"
		w := over(trust, none)
		w.addr, w.web = addr, func(r *http.Request) { require.NoError(t, s.Sign(r, nil)) }
		return w
	}
	temporary := func(grant roles.Grant) *way {
		grant.Role, grant.Duration = role, time.Hour
		c, err := g.Roles().Issue(ctx, grant)
		require.NoError(t, err)
		return signed(sigv4.Signer{ID: c.AccessKeyID, Secret: c.SecretAccessKey, Token: c.SessionToken})
	}
	ways := map[string]*way{
		"a certificate":       over(device, none),
		"another certificate": over(second, none),
		"a user": over(trust, func(c *paho.Connect) {
			c.UsernameFlag, c.Username, c.PasswordFlag, c.Password = true, "app", true, []byte("app-password")
		}),
		"an access key":                signed(sigv4.Signer{ID: key.ID, Secret: secret}),
		"a role":                       temporary(roles.Grant{Session: "app"}),
		"another session of it":        temporary(roles.Grant{Session: "other"}),
		"a guest":                      temporary(roles.Grant{Identity: guest}),
		"an identity":                  temporary(roles.Grant{Identity: member, Authenticated: true}),
		"a visitor named as a user":    visitor("app"),
		"one named as the certificate": visitor(d.CertificateID),
	}
	persist := func(c *paho.Connect, clean bool) {
		expiry := uint32(600)
		c.CleanStart, c.Properties = clean, &paho.ConnectProperties{SessionExpiryInterval: &expiry}
	}
	for name, w := range ways {
		persist(&w.connect, false)
		client, _, err := w.enter(t)
		require.NoError(t, err, name)
		others := func(when string) {
			for other, o := range ways {
				if other == name {
					continue
				}
				for _, clean := range []bool{true, false} {
					persist(&o.connect, clean)
					_, _, err := o.enter(t)
					require.Error(t, err, "%s has the session of %s, %s", other, name, when)
				}
			}
		}
		others("which is connected")
		_, err = client.Publish(ctx, &paho.Publish{Topic: "x", QoS: 1})
		require.NoError(t, err, name)
		require.NoError(t, client.Disconnect(&paho.Disconnect{}))
		require.Eventually(t, func() bool { return len(g.Clients()) == 0 }, patience, time.Millisecond)
		others("which is away")
		_, _, err = w.enter(t)
		require.NoError(t, err, name)
		info, ok := g.Client("c")
		require.True(t, ok)
		require.True(t, info.SessionPresent, name)
		require.NoError(t, g.Disconnect("c", broker.DisconnectOptions{EndSession: true}))
	}
}
