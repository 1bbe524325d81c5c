package thinghub

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/registry"
)

// DevicePolicy is the policy that [Hub.Provision] gives to devices unless it is told
// others. It is made when it is first wanted, and is a policy as any other: the host may
// change it.
const DevicePolicy = "thinghub-device"

// devicePolicy lets a device connect under the name of its thing, and use the topics that
// begin with it or have it behind one of the usual beginnings: dt/ for data, cmd/ for
// commands, $aws/things/ for its shadows and jobs.
const devicePolicy = `{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": "iot:Connect", "Resource": "SCOPE:client/THING"},
    {"Effect": "Allow", "Action": ["iot:Publish", "iot:RetainPublish", "iot:Receive"], "Resource": [
      "SCOPE:topic/THING/*", "SCOPE:topic/dt/THING/*", "SCOPE:topic/cmd/THING/*", "SCOPE:topic/$aws/things/THING/*"]},
    {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": [
      "SCOPE:topicfilter/THING/*", "SCOPE:topicfilter/dt/THING/*", "SCOPE:topicfilter/cmd/THING/*", "SCOPE:topicfilter/$aws/things/THING/*"]}
  ]
}`

// A Device is what [Hub.Provision] made.
type Device struct {
	Thing registry.Thing
	// CertificateID and CertificateARN name the certificate.
	CertificateID, CertificateARN string
	// CertificatePEM and PrivateKeyPEM are what the device needs; the key is kept nowhere
	// else. CAPEM is what it can trust servers by that have a certificate of the hub's CA.
	CertificatePEM, PrivateKeyPEM, CAPEM string
	// Policies are the names of the policies that are attached to the certificate.
	Policies []string
}

// TLS returns a configuration for a client that is the device, for servers with a
// certificate of the hub's CA. The server's name is to be set if the dialer does not.
func (d *Device) TLS() (*tls.Config, error) {
	pair, err := tls.X509KeyPair([]byte(d.CertificatePEM), []byte(d.PrivateKeyPEM))
	if err != nil {
		return nil, fmt.Errorf("thinghub: device %s: %w", d.Thing.Name, err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(d.CAPEM))
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

// Provision makes everything that a device needs to connect over TLS as the thing of a
// name: the thing, unless it is there, keys with an active certificate that is attached to
// it and to nothing else, and policies for that. Without names of policies it is
// [DevicePolicy]. Called again it makes another certificate for the same thing.
//
// Where it fails it takes back what it made. The error is that of the room that failed: of
// the registry (the name), of Hub.Policies (there is no such policy), or that
// Config.Authorizer is set, so that there are no policies.
func (h *Hub) Provision(ctx context.Context, name string, policies ...string) (d *Device, err error) {
	p := &h.principals
	if p.access == nil {
		return nil, errors.New("thinghub: provision: Config.Authorizer is set, expected nil: the hub has no policies of its own")
	}
	var undo []func(context.Context) error
	defer func() {
		if err == nil {
			return
		}
		err = fmt.Errorf("thinghub: provision %s: %w", name, err)
		for i := len(undo) - 1; i >= 0; i-- {
			err = errors.Join(err, undo[i](context.WithoutCancel(ctx)))
		}
	}()
	if len(policies) == 0 {
		if err := h.makeDevicePolicy(ctx); err != nil {
			return nil, err
		}
		policies = []string{DevicePolicy}
	}
	thing, err := h.registry.DescribeThing(ctx, name)
	if errors.Is(err, registry.ErrNotFound) {
		if thing, err = h.registry.CreateThing(ctx, registry.CreateThingInput{Name: name}); err == nil {
			undo = append(undo, func(ctx context.Context) error { return h.registry.DeleteThing(ctx, name, nil) })
		}
	}
	if err != nil {
		return nil, err
	}
	c, err := p.certs.IssueKeys(ctx, certs.Terms{Status: certs.Inactive})
	if err != nil {
		return nil, err
	}
	undo = append(undo, func(ctx context.Context) error { return p.certs.DeleteCertificate(ctx, c.ID, true) })
	if err := h.registry.AttachThingPrincipal(ctx, registry.Attachment{Thing: name, Principal: c.ARN, Type: registry.Exclusive}); err != nil {
		return nil, err
	}
	undo = append(undo, func(ctx context.Context) error { return h.registry.DetachThingPrincipal(ctx, name, c.ARN) })
	for _, policy := range policies {
		if err := p.access.AttachPolicy(ctx, policy, c.ARN); err != nil {
			return nil, err
		}
	}
	if err := p.certs.UpdateCertificate(ctx, c.ID, certs.Active); err != nil {
		return nil, err
	}
	return &Device{
		Thing: thing, CertificateID: c.ID, CertificateARN: c.ARN, CertificatePEM: c.PEM, PrivateKeyPEM: c.Keys.PrivateKey, CAPEM: p.certs.CAPEM(),
		Policies: append([]string{}, policies...),
	}, nil
}

func (h *Hub) makeDevicePolicy(ctx context.Context) error {
	_, err := h.principals.access.GetPolicy(ctx, DevicePolicy)
	if !errors.Is(err, access.ErrNotFound) {
		return err
	}
	scope := strings.TrimSuffix(h.registry.ThingARN(""), ":thing/")
	document := strings.NewReplacer("SCOPE", scope, "THING", "${iot:Connection.Thing.ThingName}").Replace(devicePolicy)
	if _, err = h.principals.access.CreatePolicy(ctx, DevicePolicy, document); errors.Is(err, access.ErrExists) {
		return nil // somebody was faster
	}
	return err
}
