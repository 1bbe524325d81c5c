package thinghub_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/provision"
	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/rules"
)

// A plant is a CA of somebody else's.
type plant struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	id   string
}

func newPlant(t *testing.T) *plant {
	t.Helper()
	p := &plant{}
	p.cert, p.key = p.sign(t, pkix.Name{CommonName: "plant"}, true)
	p.id = certs.Fingerprint(p.cert)
	return p
}

func (p *plant) sign(t *testing.T, subject pkix.Name, ca bool) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	require.NoError(t, err)
	c := &x509.Certificate{
		SerialNumber: serial, Subject: subject, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: ca, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	parent, by := p.cert, p.key
	if ca {
		c.KeyUsage = x509.KeyUsageCertSign
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	require.NoError(t, err)
	made, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return made, key
}

// device makes a device that the plant vouches for.
func (p *plant) device(t *testing.T, g *guarded, subject pkix.Name) (id string, c *tls.Config) {
	t.Helper()
	cert, key := p.sign(t, subject, false)
	return certs.Fingerprint(cert), &tls.Config{
		RootCAs: g.Certificates().CAPool(), Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw, p.cert.Raw}, PrivateKey: key}},
	}
}

// register registers the plant's CA, for certificates that come just in time.
func (p *plant) register(t *testing.T, g *guarded, config *certs.RegistrationConfig) {
	t.Helper()
	_, _, err := g.Certificates().RegisterCACertificate(t.Context(), certs.RegisterCAInput{
		PEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw})), Vouched: true, SetAsActive: true, AllowAutoRegistration: true, Config: config,
	})
	require.NoError(t, err)
}

// comesIn reports whether a device is let in; if not, that it is told so.
func (g *guarded) comesIn(t *testing.T, c *tls.Config, id string) bool {
	t.Helper()
	_, _, err := g.connect(t, c, id)
	return err == nil
}

// A certificate that nobody knows is registered when it is first used, a rule hears of it
// and activates it, and the device that comes again is let in.
func TestJustInTimeRegistration(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	g := newGuarded(t)
	p := newPlant(t)
	p.register(t, g, nil)
	id, c := p.device(t, g, pkix.Name{CommonName: "pump-1"})
	events := make(chan map[string]any, 10)
	require.NoError(t, g.Rules().Put(ctx, rules.Rule{
		Name: "registered", SQL: "SELECT *, topic(5) AS ca FROM '$aws/events/certificates/registered/#'",
		Actions: []actions.Action{actions.Func(func(_ context.Context, ev actions.Event) error {
			var e map[string]any
			if err := json.Unmarshal(ev.Payload, &e); err != nil {
				return err
			}
			events <- e
			return nil
		})},
	}))
	for range 2 { // it is told each time
		before := time.Now().UnixMilli()
		require.False(t, g.comesIn(t, c, "pump-1"))
		e := <-events
		require.InDelta(t, before, e["timestamp"], 60_000)
		delete(e, "timestamp")
		require.Equal(t, map[string]any{
			"certificateId": id, "caCertificateId": p.id, "ca": p.id, "certificateStatus": "PENDING_ACTIVATION",
			"awsAccountId": "000000000000", "certificateRegistrationTimestamp": nil,
		}, e)
	}
	d, err := g.Certificates().DescribeCertificate(ctx, id)
	require.NoError(t, err)
	require.Equal(t, certs.PendingActivation, d.Status)
	require.Equal(t, p.id, d.CA)
	require.NoError(t, g.Certificates().UpdateCertificate(ctx, id, certs.Active))
	require.False(t, g.comesIn(t, c, "pump-1"), "it has no policy")
	g.policy(t, "connect", allows("iot:Connect", "client/pump-1"), d.ARN)
	require.True(t, g.comesIn(t, c, "pump-1"))
	require.Empty(t, events)

	// A CA that is switched off lets nobody new in, and takes nothing from the others.
	require.NoError(t, g.Certificates().UpdateCACertificate(ctx, certs.UpdateCAInput{ID: p.id, Status: certs.CAInactive}))
	late, c2 := p.device(t, g, pkix.Name{CommonName: "pump-2"})
	require.False(t, g.comesIn(t, c2, "pump-2"))
	_, err = g.Certificates().DescribeCertificate(ctx, late)
	require.ErrorIs(t, err, certs.ErrNotFound)
	require.True(t, g.comesIn(t, c, "pump-1"))
	require.Empty(t, events)
}

const jitpBody = `{"Parameters":{"AWS::IoT::Certificate::CommonName":{"Type":"String"},"AWS::IoT::Certificate::Country":{"Type":"String"},"AWS::IoT::Certificate::Id":{"Type":"String"}},"Resources":{
	"thing":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":{"Ref":"AWS::IoT::Certificate::CommonName"},"AttributePayload":{"version":"v1","country":{"Ref":"AWS::IoT::Certificate::Country"}},"ThingGroups":["fleet"]}},
	"certificate":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateId":{"Ref":"AWS::IoT::Certificate::Id"},"Status":"ACTIVE"}},
	"policy":{"Type":"AWS::IoT::Policy","Properties":{"PolicyName":"own"}}}}`

// With a template a device makes itself at home at its first connection, and is let in at
// the second, however many of both there are.
func TestJustInTimeProvisioning(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]*certs.RegistrationConfig{"body": {TemplateBody: jitpBody}, "name": {TemplateName: "jitp"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			log := &lockedBuffer{}
			g := newGuarded(t, func(c *thinghub.Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
			_, err := g.Provisioning().CreateProvisioningTemplate(ctx, provision.CreateTemplateInput{Name: "jitp", Type: provision.JustInTime, Body: jitpBody, Enabled: true})
			require.NoError(t, err)
			p := newPlant(t)
			p.register(t, g, config)
			_, err = g.Registry().CreateThingGroup(ctx, registry.CreateGroupInput{Name: "fleet"})
			require.NoError(t, err)
			g.policy(t, "own", allows("iot:Connect iot:Publish", "client/${iot:Connection.Thing.ThingName}", "topic/dt/${iot:Connection.Thing.ThingName}"))

			// What the template needs is not there: nothing is made, and the device stays out.
			id, c := p.device(t, g, pkix.Name{CommonName: "pump-0"})
			for range 2 {
				require.False(t, g.comesIn(t, c, "pump-0"))
			}
			require.Contains(t, log.String(), "AWS::IoT::Certificate::Country")
			require.Contains(t, log.String(), id)
			_, err = g.Registry().DescribeThing(ctx, "pump-0")
			require.ErrorIs(t, err, registry.ErrNotFound)

			id, c = p.device(t, g, pkix.Name{CommonName: "pump-1", Country: []string{"DE"}})
			var knocks sync.WaitGroup
			for range 16 {
				knocks.Go(func() {
					_, _, _ = g.connect(t, c, "pump-1") // one that is slow may be let in
				})
			}
			knocks.Wait()
			client, _, err := g.connect(t, c, "pump-1")
			require.NoError(t, err)
			_, err = client.Publish(ctx, &paho.Publish{Topic: "dt/pump-1", QoS: 1})
			require.NoError(t, err)
			thing, err := g.Registry().DescribeThing(ctx, "pump-1")
			require.NoError(t, err)
			require.Equal(t, map[string]string{"version": "v1", "country": "DE"}, thing.Attributes)
			d, err := g.Certificates().DescribeCertificate(ctx, id)
			require.NoError(t, err)
			require.Equal(t, certs.Active, d.Status)
			things, _, err := g.Registry().ListPrincipalThings(ctx, d.ARN, "", registry.Page{})
			require.NoError(t, err)
			require.Len(t, things, 1)
			groups, _, err := g.Registry().ListThingGroupsForThing(ctx, "pump-1", registry.Page{})
			require.NoError(t, err)
			require.Len(t, groups, 1)

			// A CA that is switched off provisions nobody, those who wait included.
			require.NoError(t, g.Certificates().UpdateCACertificate(ctx, certs.UpdateCAInput{ID: p.id, Status: certs.CAInactive}))
			_, c2 := p.device(t, g, pkix.Name{CommonName: "pump-2", Country: []string{"DE"}})
			for range 2 {
				require.False(t, g.comesIn(t, c2, "pump-2"))
			}
			_, err = g.Registry().DescribeThing(ctx, "pump-2")
			require.ErrorIs(t, err, registry.ErrNotFound)
		})
	}
}

// A template that is gone, or is not one of that kind, keeps devices out until the CA has a
// good one.
func TestJustInTimeProvisioning_BadTemplate(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	log := &lockedBuffer{}
	g := newGuarded(t, func(c *thinghub.Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	p := newPlant(t)
	p.register(t, g, &certs.RegistrationConfig{TemplateName: "none"})
	id, c := p.device(t, g, pkix.Name{CommonName: "pump-1", Country: []string{"DE"}})
	refused := func(why string) {
		t.Helper()
		require.False(t, g.comesIn(t, c, "pump-1"))
		require.Contains(t, log.String(), why)
		d, err := g.Certificates().DescribeCertificate(ctx, id)
		require.NoError(t, err)
		require.Equal(t, certs.PendingActivation, d.Status)
		_, err = g.Registry().DescribeThing(ctx, "pump-1")
		require.ErrorIs(t, err, registry.ErrNotFound)
	}
	refused("there is no provisioning template none")
	for _, bad := range []struct{ body, why string }{
		{"{", "templateBody"},
		{jitpBody, "Thing group fleet cannot be found"}, // whose group is not there
		{strings.Replace(jitpBody, `"ThingGroups":["fleet"]`, `"ThingGroups":[]`, 1), "own"}, // whose policy is not there
	} {
		require.NoError(t, g.Certificates().UpdateCACertificate(ctx, certs.UpdateCAInput{ID: p.id, Config: &certs.RegistrationConfig{TemplateBody: bad.body}}))
		refused(bad.why)
	}
	g.policy(t, "own", allows("iot:Connect", "client/pump-1"))
	require.False(t, g.comesIn(t, c, "pump-1"))
	require.True(t, g.comesIn(t, c, "pump-1"))
}
