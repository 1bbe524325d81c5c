package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/provision"
)

const (
	account = "123456789012"
	region  = "eu-central-1"
	scope   = "arn:aws:iot:" + region + ":" + account
	// template is the name of the provisioning template.
	template = "sensors"
)

// body is the template. The thing gets its name from the serial number, and FAIL says
// that a serial number is good once: nobody becomes a device that is there already.
const body = `{
  "Parameters": {"SerialNumber": {"Type": "String"}, "AWS::IoT::Certificate::Id": {"Type": "String"}},
  "Resources": {
    "thing": {"Type": "AWS::IoT::Thing",
      "Properties": {
        "ThingName": {"Fn::Sub": "sensor-${SerialNumber}"},
        "AttributePayload": {"serial": {"Ref": "SerialNumber"}}},
      "OverrideSettings": {"AttributePayload": "FAIL"}},
    "certificate": {"Type": "AWS::IoT::Certificate",
      "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "ACTIVE"}},
    "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "sensor"}}},
  "DeviceConfiguration": {"topic": "dt/{thing}/temperature"}
}`

// sensorPolicy is one for all: each may connect as its thing and report under its name.
const sensorPolicy = `{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": "iot:Connect", "Resource": "` + scope + `:client/${iot:Connection.Thing.ThingName}"},
    {"Effect": "Allow", "Action": "iot:Publish", "Resource": "` + scope + `:topic/dt/${iot:Connection.Thing.ThingName}/*"}
  ]
}`

// A plant is the hub and what the factory knows.
type plant struct {
	*thinghub.Hub
	addr    string
	claimID string
	claim   tls.Certificate // built into every device
	// reports are how often the host heard from a device, by topic and certificate.
	reports tally
}

// newPlant starts a hub with a TLS listener and everything that devices need to join.
func newPlant(ctx context.Context, o options) (p *plant, err error) {
	made := make(map[string]bool, o.devices) // the serial numbers of the factory
	for i := range o.devices {
		made[serial(i)] = true
	}
	hub, err := thinghub.New(thinghub.Config{
		Account: account, Region: region,
		// Devices make no keys of their own here, and P-256 is what a small one can use.
		CertificateConfig: certs.Config{Keys: certs.P256},
		ProvisionConfig: provision.Config{Hooks: map[string]provision.Hook{
			// What a device says of itself is not proved: the factory has the last word.
			"known-serials": func(_ context.Context, r provision.HookRequest) (provision.HookAnswer, error) {
				return provision.HookAnswer{AllowProvisioning: made[r.Parameters["SerialNumber"]]}, nil
			},
		}},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), // this program says itself what matters
	})
	if err != nil {
		return nil, err
	}
	p = &plant{Hub: hub, reports: tally{n: map[report]int{}}}
	defer func() {
		if err != nil {
			err = errors.Join(err, hub.Close())
		}
	}()
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	if _, err := hub.Subscribe(ctx, "dt/+/temperature", func(m *thinghub.Message) {
		p.reports.add(report{m.Topic, m.Origin.Principal})
	}); err != nil {
		return nil, err
	}
	server, err := hub.Certificates().IssueServer("localhost", "127.0.0.1")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", o.addr)
	if err != nil {
		return nil, err
	}
	p.addr = l.Addr().String()
	l = tls.NewListener(l, hub.Certificates().TLSConfig(&tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAnyClientCert}))
	go func() { _ = hub.Serve(l) }() // ends with the hub
	return p, nil
}

// prepare makes the template, the policy of all devices, and the claim certificate.
func (p *plant) prepare(ctx context.Context) error {
	_, err := p.Provisioning().CreateProvisioningTemplate(ctx, provision.CreateTemplateInput{
		Name: template, Body: body, Enabled: true,
		Hook: &provision.TemplateHook{PayloadVersion: provision.HookVersion, TargetARN: "known-serials"},
	})
	if err != nil {
		return err
	}
	claim, err := p.Certificates().CreateKeysAndCertificate(ctx, true)
	if err != nil {
		return err
	}
	for name, document := range map[string]string{"sensor": sensorPolicy, "claim": p.Provisioning().ClaimPolicy(template)} {
		if _, err := p.Policies().CreatePolicy(ctx, name, document); err != nil {
			return err
		}
	}
	if err := p.Policies().AttachPolicy(ctx, "claim", claim.ARN); err != nil {
		return err
	}
	p.claimID = claim.ID
	p.claim, err = tls.X509KeyPair([]byte(claim.PEM), []byte(claim.Keys.PrivateKey))
	return err
}

// provisionAll has all devices join, some at a time.
func (p *plant) provisionAll(ctx context.Context, o options, say func(format string, a ...any)) ([]*device, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		mu    sync.Mutex
		fleet []*device
		wg    sync.WaitGroup
	)
	next := make(chan int)
	for range o.parallel {
		wg.Go(func() { // ends when next is closed
			for i := range next {
				d, err := p.join(ctx, i)
				mu.Lock()
				if d != nil {
					fleet = append(fleet, d)
				}
				if err != nil {
					cancel(fmt.Errorf("device %s: %w", serial(i), err))
				} else if quarter := max(o.devices/4, 1); len(fleet)%quarter == 0 {
					say("%d of %d devices are provisioned and connected.", len(fleet), o.devices)
				}
				mu.Unlock()
			}
		})
	}
	for i := range o.devices {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	wg.Wait()
	slices.SortFunc(fleet, func(a, b *device) int { return strings.Compare(a.name, b.name) })
	return fleet, context.Cause(ctx)
}

// join takes a device from the factory to its first report.
func (p *plant) join(ctx context.Context, i int) (*device, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	own, err := provisionDevice(ctx, p.network(p.claim), "new-"+serial(i), serial(i))
	if err != nil {
		return nil, fmt.Errorf("provisioning: %w", err)
	}
	d, err := connect(ctx, p.network(own.pair), own.thing)
	if err != nil {
		return nil, fmt.Errorf("connecting with its own certificate: %w", err)
	}
	d.topic, d.certificate = strings.ReplaceAll(own.topic, "{thing}", own.thing), own.certificate
	return d, d.report(ctx, 20+float64(i%50)/10)
}

// network is how devices with a certificate reach the hub: they trust its CA alone.
func (p *plant) network(pair tls.Certificate) network {
	return network{p.addr, &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: p.Certificates().CAPool(), ServerName: "localhost", MinVersion: tls.VersionTLS12}}
}

// inspect compares what the devices did with what the hub knows of them.
func (p *plant) inspect(ctx context.Context, fleet []*device) error {
	// The host hears of a report a little later than the device that it was taken.
	if err := p.reports.await(ctx, func() bool { return p.reports.total() >= len(fleet) }); err != nil {
		return fmt.Errorf("the host heard %d reports, expected %d: %w", p.reports.total(), len(fleet), err)
	}
	principals := map[string]bool{}
	for _, d := range fleet {
		info, ok := p.Client(d.name)
		if !ok || info.Principal != d.certificate || info.Transport != "tls" {
			return fmt.Errorf("%s is connected: %t, with certificate %q, expected %q", d.name, ok, info.Principal, d.certificate)
		}
		if n := p.reports.of(report{d.topic, d.certificate}); n != 1 {
			return fmt.Errorf("the host heard %d reports of %s, expected 1", n, d.name)
		}
		if things, err := p.Registry().Attached(ctx, d.name, p.Certificates().ARN(d.certificate)); err != nil || !things {
			return errors.Join(fmt.Errorf("%s has its certificate attached: %t", d.name, things), err)
		}
		principals[d.certificate] = true
	}
	if len(principals) != len(fleet) || principals[p.claimID] {
		return fmt.Errorf("%d certificates for %d devices, the claim's among them: %t", len(principals), len(fleet), principals[p.claimID])
	}
	if n := p.reports.total(); n != len(fleet) {
		return fmt.Errorf("the host heard %d reports, expected %d and nothing else", n, len(fleet))
	}
	return nil
}

// stranger tries a serial number that the factory does not know, and returns how it was
// rejected.
func (p *plant) stranger(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := provisionDevice(ctx, p.network(p.claim), "stranger", "000000")
	var r *rejection
	if !errors.As(err, &r) {
		return "", fmt.Errorf("a stranger asked to be provisioned and got %w, expected a rejection", err)
	}
	return r.ErrorCode, nil
}

// connected counts the devices that are connected.
func (p *plant) connected(fleet []*device) (n int) {
	for _, d := range fleet {
		if _, ok := p.Client(d.name); ok {
			n++
		}
	}
	return n
}

// serial is the serial number of the nth device.
func serial(n int) string { return fmt.Sprintf("%06d", n+1) }

// patience is how long one device may take for anything.
const patience = time.Minute
