package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A wire speaks MQTT by hand, 3.1.1 and 5, so that it can send what no library would.
type wire struct {
	t   *testing.T
	nc  net.Conn
	r   *bufio.Reader
	v   byte // 4 or 5
	pid uint16
	got []message // what was delivered, not taken yet
}

type message struct {
	topic, payload string
	retain         bool
}

// A hello is what a CONNECT packet says.
type hello struct {
	v             byte // 5 by default
	id            string
	user          string
	password      string
	noPassword    bool // user without password
	resume        bool // not clean
	expiry        uint32
	will          string // a topic
	willRetain    bool
	willDelay     uint32
	willPayload   string
	alsoBehind    []byte // sent in the same write
	method        string // of enhanced authentication
	onlyPassword  bool
	protocolLevel byte // another one than v
}

// refused is what connect returns where the connection ended without a CONNACK.
const refused = -1

func text16(s string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...)
}

func varint(n int) (b []byte) {
	for {
		d := byte(n & 127)
		if n >>= 7; n > 0 {
			d |= 128
		}
		if b = append(b, d); n == 0 {
			return b
		}
	}
}

func frame(first byte, body []byte) []byte {
	return append(append([]byte{first}, varint(len(body))...), body...)
}

// bytes is the packet.
func (o *hello) bytes() []byte {
	var flags byte
	var payload []byte
	payload = append(payload, text16(o.id)...)
	if !o.resume {
		flags |= 2
	}
	if o.will != "" {
		flags |= 4 | 1<<3 // QoS 1
		if o.willRetain {
			flags |= 32
		}
		if o.v == 5 {
			props := []byte{}
			if o.willDelay > 0 {
				props = binary.BigEndian.AppendUint32(append(props, 0x18), o.willDelay)
			}
			payload = append(append(payload, varint(len(props))...), props...)
		}
		payload = append(append(payload, text16(o.will)...), text16(o.willPayload)...)
	}
	if o.user != "" && !o.onlyPassword {
		flags |= 128
		payload = append(payload, text16(o.user)...)
	}
	if (o.user != "" || o.onlyPassword) && !o.noPassword {
		flags |= 64
		payload = append(payload, text16(o.password)...)
	}
	level := o.v
	if o.protocolLevel != 0 {
		level = o.protocolLevel
	}
	body := append(text16("MQTT"), level, flags, 0, 60)
	if o.v == 5 {
		var props []byte
		if o.expiry > 0 {
			props = binary.BigEndian.AppendUint32(append(props, 0x11), o.expiry)
		}
		if o.method != "" {
			props = append(append(props, 0x15), text16(o.method)...)
		}
		body = append(append(body, varint(len(props))...), props...)
	}
	return frame(0x10, append(body, payload...))
}

// connect sends CONNECT and returns the code of the CONNACK, or refused.
func connect(t *testing.T, nc net.Conn, o hello) (*wire, int) {
	t.Helper()
	if o.v == 0 {
		o.v = 5
	}
	w := &wire{t: t, nc: nc, r: bufio.NewReader(nc), v: o.v}
	if _, err := nc.Write(append(o.bytes(), o.alsoBehind...)); err != nil {
		return w, refused // the alert of TLS 1.3 was faster
	}
	kind, body, err := w.packet()
	if err != nil {
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "no answer to CONNECT")
		return w, refused
	}
	require.Equal(t, byte(0x20), kind)
	require.GreaterOrEqual(t, len(body), 2)
	return w, int(body[1])
}

// user logs somebody in who has to come in.
func (h *target) user(t *testing.T, o hello) *wire {
	t.Helper()
	if o.password == "" {
		o.password = o.user + "-pw"
	}
	w, code := connect(t, h.tcp(t), o)
	require.Zero(t, code, "CONNECT of %s as %s", o.user, o.id)
	return w
}

// packet reads one packet.
func (w *wire) packet() (kind byte, body []byte, err error) {
	_ = w.nc.SetReadDeadline(time.Now().Add(wait))
	if kind, err = w.r.ReadByte(); err != nil {
		return 0, nil, err
	}
	n, err := binary.ReadUvarint(w.r)
	if err != nil || n > 1<<20 {
		return 0, nil, fmt.Errorf("length %d: %w", n, errors.Join(err, io.ErrUnexpectedEOF))
	}
	body = make([]byte, n)
	_, err = io.ReadFull(w.r, body)
	return kind, body, err
}

// next reads until a packet of a kind comes, and takes in what is delivered before it. The
// error says that the connection has ended instead, with the reason of DISCONNECT.
func (w *wire) next(kind byte) ([]byte, error) {
	for {
		k, body, err := w.packet()
		switch {
		case err != nil:
			return nil, err
		case k>>4 == 3:
			w.deliver(k, body)
		case k == 0xe0:
			code := byte(0)
			if len(body) > 0 {
				code = body[0]
			}
			return nil, fmt.Errorf("DISCONNECT 0x%02x", code)
		case k>>4 == kind>>4:
			return body, nil
		}
		if k>>4 == 3 && kind>>4 == 3 {
			return nil, nil
		}
	}
}

func (w *wire) deliver(k byte, body []byte) {
	n := int(binary.BigEndian.Uint16(body))
	m := message{topic: string(body[2 : 2+n]), retain: k&1 == 1}
	body = body[2+n:]
	if k>>1&3 > 0 {
		ack := frame(0x40, body[:2])
		body = body[2:]
		_, _ = w.nc.Write(ack)
	}
	if w.v == 5 {
		size, used := binary.Uvarint(body)
		body = body[used+int(size):]
	}
	m.payload = string(body)
	w.got = append(w.got, m)
}

func (w *wire) send(p []byte) {
	w.t.Helper()
	_, err := w.nc.Write(p)
	require.NoError(w.t, err)
}

func (w *wire) props() []byte {
	if w.v == 5 {
		return []byte{0}
	}
	return nil
}

// subscribe returns the code for the filter, or refused if the connection has ended.
func (w *wire) subscribe(filter string) int {
	w.t.Helper()
	w.pid++
	body := append(binary.BigEndian.AppendUint16(nil, w.pid), w.props()...)
	w.send(frame(0x82, append(append(body, text16(filter)...), 1)))
	ack, err := w.next(0x90)
	if err != nil {
		require.NotErrorIs(w.t, err, os.ErrDeadlineExceeded)
		return refused
	}
	return int(ack[len(ack)-1])
}

// publication is a PUBLISH with QoS 1.
func (w *wire) publication(topic, payload string, retain bool, props ...byte) []byte {
	w.pid++
	first := byte(0x32)
	if retain {
		first |= 1
	}
	body := binary.BigEndian.AppendUint16(text16(topic), w.pid)
	if w.v == 5 {
		body = append(append(body, varint(len(props))...), props...)
	}
	return frame(first, append(body, payload...))
}

// publish returns the code of the PUBACK (MQTT 3.1.1 has none: 0), or refused if the
// connection has ended.
func (w *wire) publish(topic, payload string, retain bool, props ...byte) int {
	w.t.Helper()
	w.send(w.publication(topic, payload, retain, props...))
	ack, err := w.next(0x40)
	switch {
	case err != nil:
		require.NotErrorIs(w.t, err, os.ErrDeadlineExceeded)
		return refused
	case len(ack) > 2 && ack[2] != 0x10: // no subscribers
		return int(ack[2])
	}
	return 0
}

// await takes messages until one has a payload, and returns those before it.
func (w *wire) await(payload string) (before []message) {
	w.t.Helper()
	for {
		for len(w.got) > 0 {
			m := w.got[0]
			w.got = w.got[1:]
			if m.payload == payload {
				return before
			}
			before = append(before, m)
		}
		_, err := w.next(0x30)
		require.NoError(w.t, err, "waiting for %q", payload)
	}
}

// ended waits for the end of the connection.
func (w *wire) ended() {
	w.t.Helper()
	for {
		if _, _, err := w.packet(); err != nil {
			require.NotErrorIs(w.t, err, os.ErrDeadlineExceeded, "the connection is still there")
			return
		}
	}
}

// bye says DISCONNECT and waits until the hub has taken note: it closes the connection
// then. Another connection of the same client would take this one over otherwise, and its
// will would be published, as it should.
func (w *wire) bye() {
	_, _ = w.nc.Write([]byte{0xe0, 0})
	_ = w.nc.SetReadDeadline(time.Now().Add(wait))
	_, _ = io.Copy(io.Discard, w.nc)
	_ = w.nc.Close()
}
