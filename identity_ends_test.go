package thinghub_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/identitypool"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/auth/sts"
	"github.com/thinghub/thinghub/broker"
)

// A member is a user of the host's backend who is an identity of a pool.
type member struct {
	*guarded
	pool, id, role string
	logins         identitypool.Logins
}

const cognito = "cognito-identity.amazonaws.com"

// newMember has the pool, a role and the identity, which may do what mine says besides the
// role's policy.
func newMember(t *testing.T, g *guarded, ofRole, mine string) *member {
	t.Helper()
	ctx := t.Context()
	pool, err := g.IdentityPools().CreateIdentityPool(ctx, identitypool.Pool{Name: "app", DeveloperProviderName: "backend", AllowClassicFlow: true})
	require.NoError(t, err)
	role, err := g.Roles().CreateRole(ctx, roles.NewRole{Name: "app", TrustPolicy: `{"Version":"2012-10-17","Statement":{"Effect":"Allow",
		"Principal":{"Federated":"` + cognito + `"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"` + cognito + `:aud":"` + pool.ID + `"}}}}`})
	require.NoError(t, err)
	require.NoError(t, g.IdentityPools().SetIdentityPoolRoles(ctx, pool.ID, identitypool.Roles{Roles: map[string]string{identitypool.Authenticated: role.ARN}}))
	id, token, err := g.IdentityPools().GetOpenIDTokenForDeveloperIdentity(ctx, identitypool.DeveloperLogin{Pool: pool.ID, Logins: identitypool.Logins{"backend": "alice"}})
	require.NoError(t, err)
	g.policy(t, "role", ofRole, role.ARN)
	g.policy(t, "mine", mine, id)
	return &member{g, pool.ID, id, role.ARN, identitypool.Logins{cognito: token}}
}

// enhanced gets credentials from the pool.
func (m *member) enhanced(t *testing.T) roles.Credentials {
	t.Helper()
	c, err := m.IdentityPools().GetCredentialsForIdentity(t.Context(), m.id, m.logins, "")
	require.NoError(t, err)
	return c
}

// basic gets them from the token service, narrowed by a policy if there is one.
func (m *member) basic(t *testing.T, policy string) roles.Credentials {
	t.Helper()
	token, err := m.IdentityPools().GetOpenIDToken(t.Context(), m.id, m.logins)
	require.NoError(t, err)
	c, err := m.STS().AssumeRoleWithWebIdentity(t.Context(), sts.Request{Role: m.role, Session: "app", Policy: policy}, token, "")
	require.NoError(t, err)
	return c.Credentials
}

func signerOf(c roles.Credentials, service string) sigv4.Signer {
	return sigv4.Signer{ID: c.AccessKeyID, Secret: c.SecretAccessKey, Token: c.SessionToken, Region: "local", Service: service}
}

// way is a WebSocket that credentials have signed.
func (m *member) way(t *testing.T, addr string, c roles.Credentials, client string) *way {
	t.Helper()
	return &way{
		g: m.guarded, addr: addr, tls: &tls.Config{RootCAs: m.Certificates().CAPool()},
		connect: paho.Connect{ClientID: client, CleanStart: true, KeepAlive: 30},
		web:     func(r *http.Request) { require.NoError(t, signerOf(c, "iotdevicegateway").Sign(r, nil)) },
	}
}

// publishes is the status of publishing over HTTP.
func (m *member) publishes(t *testing.T, c roles.Credentials, topic string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://hub.test/topics/"+topic+"?qos=1", strings.NewReader(""))
	require.NoError(t, err)
	require.NoError(t, signerOf(c, "iotdata").Sign(r, nil))
	return serve(m.Handler(), r).Code
}

// An identity that is disabled or deleted, or whose pool is, loses what it has open at once,
// whichever way its credentials came, and they let nobody in again.
func TestIdentity_Ends(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(ctx context.Context, m *member) error{
		"disabled": func(ctx context.Context, m *member) error {
			return m.IdentityPools().SetIdentityDisabled(ctx, m.id, true)
		},
		"deleted": func(ctx context.Context, m *member) error {
			_, err := m.IdentityPools().DeleteIdentities(ctx, m.id)
			return err
		},
		"pool deleted": func(ctx context.Context, m *member) error {
			return m.IdentityPools().DeleteIdentityPool(ctx, m.pool)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMember(t, newGuarded(t), allowAnyone, allowAnyone)
			addr := m.https(t)
			type open struct {
				c    roles.Credentials
				w    *way
				lost chan byte
			}
			var all []open
			for client, c := range map[string]roles.Credentials{"one": m.enhanced(t), "two": m.basic(t, "")} {
				w := m.way(t, addr, c, client)
				client, lost, err := w.enter(t)
				require.NoError(t, err)
				_, err = client.Publish(t.Context(), &paho.Publish{Topic: "x", QoS: 1})
				require.NoError(t, err)
				require.Equal(t, 200, m.publishes(t, c, "x"))
				all = append(all, open{c, w, lost})
			}
			require.NoError(t, end(t.Context(), m))
			for _, o := range all {
				select {
				case code := <-o.lost:
					require.Equal(t, byte(broker.NotAuthorized), code)
				case <-time.After(patience):
					require.FailNow(t, "the connection stays")
				}
				require.Contains(t, []int{401, 403}, m.publishes(t, o.c, "x"))
				_, _, err := o.w.enter(t)
				require.Error(t, err)
			}
			require.Empty(t, m.Clients())
			_, err := m.IdentityPools().GetCredentialsForIdentity(t.Context(), m.id, m.logins, "")
			require.Error(t, err)
		})
	}
}

// A session policy narrows what a role and an identity may do, over MQTT and over HTTP, and
// gives nothing that they do not. Its variables are those of the identity.
func TestIdentity_SessionPolicy(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	const connect = `{"Effect":"Allow","Action":"iot:Connect","Resource":"*"},`
	publish := func(topics ...string) string {
		return `{"Version":"2012-10-17","Statement":[` + connect + `{"Effect":"Allow","Action":"iot:Publish","Resource":["` + prefix + `topic/` + strings.Join(topics, `","`+prefix+`topic/`) + `"]}]}`
	}
	g := newGuarded(t)
	m := newMember(t, g, publish("a/*", "b/*", "user/*", "mine"), publish("a/*", "b/*", "user/*", "role"))
	addr := m.https(t)
	narrow := publish("a/${"+cognito+":sub}", "user/${aws:userid}", "mine", "role", "c")
	self, user := "a/"+m.id, "user/"+roles.RoleID(m.role)+":app"
	// Somebody of the host's takes the same role, without an identity.
	key, secret, err := g.AccessKeys().Create(ctx, "admin")
	require.NoError(t, err)
	g.policy(t, "admin", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}}`, g.AccessKeys().ARN("admin"))
	staff, err := g.Roles().CreateRole(ctx, roles.NewRole{Name: "staff", TrustPolicy: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + g.AccessKeys().ARN("admin") + `"},"Action":"sts:AssumeRole"}}`})
	require.NoError(t, err)
	require.NoError(t, g.Policies().AttachPolicy(ctx, "role", staff.ARN))
	found, err := g.AccessKeys().Lookup(ctx, key.ID, "")
	require.NoError(t, err)
	require.Equal(t, secret, found.Secret)
	taken, err := g.STS().AssumeRole(ctx, found.Identity, sts.Request{Role: staff.ARN, Session: "app", Policy: publish("user/${aws:userid}", "mine", "c")}, "")
	require.NoError(t, err)
	for name, who := range map[string]struct {
		c        roles.Credentials
		may, not []string
	}{
		"as it is": {m.basic(t, ""), []string{self, user, "a/x", "b/x"}, []string{"mine", "role", "c"}},
		"narrowed": {m.basic(t, narrow), []string{self, user}, []string{"a/x", "b/x", "user/x", "mine", "role", "c"}},
		"staff":    {taken.Credentials, []string{"user/" + roles.RoleID(staff.ARN) + ":app", "mine"}, []string{user, self, "a/x", "role", "c"}},
	} {
		client, _, err := m.way(t, addr, who.c, name).enter(t)
		require.NoError(t, err, name)
		for _, topic := range who.may {
			_, err := client.Publish(ctx, &paho.Publish{Topic: topic, QoS: 1})
			require.NoError(t, err, "%s: %s", name, topic)
			require.Equal(t, 200, m.publishes(t, who.c, topic), "%s: %s", name, topic)
		}
		for _, topic := range who.not {
			_, err := client.Publish(ctx, &paho.Publish{Topic: topic, QoS: 1})
			require.Error(t, err, "%s: %s", name, topic)
			require.Equal(t, 403, m.publishes(t, who.c, topic), "%s: %s", name, topic)
		}
	}
}
