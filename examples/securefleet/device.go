package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
)

// The devices know nothing of thinghub: what stands in this file works with AWS IoT Core.

// A network is where the hub is and how to talk to it.
type network struct {
	addr string
	tls  *tls.Config
}

// A device is a connected device.
type device struct {
	client      *paho.Client
	network     network
	name        string // of its thing, and its client id
	topic       string
	certificate string             // its id
	answers     chan *paho.Publish // what it received
	ended       chan error         // why the hub ended the connection
}

// connect connects a device over TLS.
func connect(ctx context.Context, n network, id string) (*device, error) {
	conn, err := (&tls.Dialer{Config: n.tls}).DialContext(ctx, "tcp", n.addr)
	if err != nil {
		return nil, err
	}
	d := &device{network: n, name: id, answers: make(chan *paho.Publish, 10), ended: make(chan error, 2)}
	d.client = paho.NewClient(paho.ClientConfig{
		ClientID: id, Conn: packets.NewThreadSafeConn(conn),
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			d.answers <- p.Packet
			return true, nil
		}},
		OnServerDisconnect: func(p *paho.Disconnect) { d.ended <- fmt.Errorf("DISCONNECT with reason %#x", p.ReasonCode) },
		OnClientError:      func(err error) { d.ended <- err },
	})
	if ack, err := d.client.Connect(ctx, &paho.Connect{ClientID: id, CleanStart: true, KeepAlive: 300}); err != nil {
		_ = conn.Close()
		if ack != nil {
			return nil, fmt.Errorf("CONNACK with reason %#x: %w", ack.ReasonCode, err)
		}
		return nil, err
	}
	return d, nil
}

// leave disconnects the device.
func (d *device) leave() { _ = d.client.Disconnect(&paho.Disconnect{}) }

// report publishes a temperature and waits until the hub has it.
func (d *device) report(ctx context.Context, celsius float64) error {
	_, err := d.client.Publish(ctx, &paho.Publish{Topic: d.topic, QoS: 1, Payload: fmt.Appendf(nil, `{"celsius":%.1f}`, celsius)})
	return err
}

// An own is what a device has for itself after it was provisioned.
type own struct {
	pair               tls.Certificate
	certificate, thing string
	topic              string // with {thing} in it
}

// provisionDevice gets a new device what it needs: it connects with its claim
// certificate, asks for keys, and registers with its serial number.
func provisionDevice(ctx context.Context, n network, clientID, serialNumber string) (*own, error) {
	d, err := connect(ctx, n, clientID)
	if err != nil {
		return nil, err
	}
	defer d.leave() // since it goes on with another certificate

	var keys struct{ CertificateID, CertificatePEM, PrivateKey, CertificateOwnershipToken string }
	if err := d.ask(ctx, "$aws/certificates/create/json", struct{}{}, &keys); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair([]byte(keys.CertificatePEM), []byte(keys.PrivateKey))
	if err != nil {
		return nil, err
	}
	var registered struct {
		ThingName           string
		DeviceConfiguration struct{ Topic string }
	}
	err = d.ask(ctx, "$aws/provisioning-templates/"+template+"/provision/json", map[string]any{
		"certificateOwnershipToken": keys.CertificateOwnershipToken,
		"parameters":                map[string]string{"SerialNumber": serialNumber},
	}, &registered)
	if err != nil {
		return nil, err
	}
	return &own{pair, keys.CertificateID, registered.ThingName, registered.DeviceConfiguration.Topic}, nil
}

// A rejection is what the hub answers to who gets nothing.
type rejection struct {
	StatusCode              int
	ErrorCode, ErrorMessage string
}

func (r *rejection) Error() string {
	return fmt.Sprintf("rejected: %d %s: %s", r.StatusCode, r.ErrorCode, r.ErrorMessage)
}

// ask makes a request and waits for its answer, which is a *rejection if it is not one
// to be glad of.
func (d *device) ask(ctx context.Context, topic string, request, answer any) error {
	accepted, rejected := topic+"/accepted", topic+"/rejected"
	_, err := d.client.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: accepted, QoS: 1}, {Topic: rejected, QoS: 1}}})
	if err != nil {
		return err
	}
	payload, err := json.Marshal(request)
	if err != nil {
		return err
	}
	if _, err := d.client.Publish(ctx, &paho.Publish{Topic: topic, QoS: 1, Payload: payload}); err != nil {
		return err
	}
	for {
		select {
		case m := <-d.answers:
			switch m.Topic {
			case accepted:
				return json.Unmarshal(m.Payload, answer)
			case rejected:
				var r rejection
				if err := json.Unmarshal(m.Payload, &r); err != nil {
					return err
				}
				return &r
			}
		case err := <-d.ended:
			return errors.Join(errors.New("the connection was lost"), err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
