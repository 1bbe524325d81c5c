package packet_test

import (
	"bytes"
	"errors"
	"testing"

	paho "github.com/eclipse/paho.golang/packets"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/packet"
)

// seed adds every sample, with the two arguments all fuzz targets have.
func seed(f *testing.F) {
	for _, s := range samples() {
		f.Add(s.p.Append(nil, s.v), mode(s.v, s.fromClient))
	}
}

// mode packs a version and a direction into a byte; unmode takes any byte.
func mode(v packet.Version, fromClient bool) byte {
	m := byte(v) & 1
	if fromClient {
		m |= 2
	}
	return m
}

func unmode(m byte) (v packet.Version, fromClient bool) {
	v = packet.V311
	if m&1 != 0 {
		v = packet.V5
	}
	return v, m&2 != 0
}

// FuzzDecode wants no panic, errors of the right type, and what was decoded to be the same once written and read again.
func FuzzDecode(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, data []byte, m byte) {
		v, fromClient := unmode(m)
		input := bytes.Clone(data)
		first, err := decode(data, v, fromClient)
		require.Equal(t, input, data, "the input is left alone")
		if err != nil {
			if !errors.Is(err, errIncomplete) {
				var e *packet.Error
				require.ErrorAs(t, err, &e)
				require.GreaterOrEqual(t, e.Code, byte(0x80))
			}
			return
		}
		if c, ok := first.(*connect); ok {
			v = c.Version
		}
		wire := first.Append(nil, v)
		second, err := decode(wire, v, fromClient)
		require.NoError(t, err)
		requireSame(t, first, second)
		require.Equal(t, wire, second.Append(nil, v))
		h, ok, err := packet.ParseHeader(wire, v)
		require.NoError(t, err)
		require.True(t, ok)
		require.Len(t, wire, h.Size)
		require.LessOrEqual(t, len(wire), len(data), "the shortest form")
		if p, ok := first.(*publish); ok {
			require.Equal(t, len(wire), p.Size(v))
		}
	})
}

// FuzzPaho wants paho.golang to read what we accept, to the same values, and to accept what we make of its packets.
func FuzzPaho(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, data []byte, m byte) {
		_, fromClient := unmode(m)
		ours, err := decode(data, packet.V5, fromClient)
		if err != nil {
			return // paho is lax: that it accepts more says nothing
		}
		if c, ok := ours.(*connect); ok && c.Version != packet.V5 {
			return
		}
		s := sample{v: packet.V5, fromClient: fromClient, p: ours}
		if pahoCannot(s) != "" || emptyOrRepeated(ours) {
			return
		}
		cp, err := paho.ReadPacket(bytes.NewReader(ours.Append(nil, packet.V5)))
		require.NoError(t, err)
		requireSame(t, ours, fromPaho(t, cp))
	})
}

// emptyOrRepeated finds what paho does not tell from nothing: empty strings, and subscription identifiers but the last.
func emptyOrRepeated(a appender) bool {
	for _, p := range propertiesOf(a) {
		if len(p.SubscriptionIDs) > 1 {
			return true
		}
		for _, id := range allProperties {
			k := packet.Kind(id)
			if !p.Has(id) || k != 's' && k != 'd' {
				continue
			}
			if len(packet.BytesField(p, id)) == 0 {
				return true
			}
		}
	}
	return false
}

func propertiesOf(a appender) []*packet.Properties {
	switch p := a.(type) {
	case *connect:
		return []*packet.Properties{&p.Props, &p.WillProps}
	case *packet.Connack:
		return []*packet.Properties{&p.Props}
	case *publish:
		return []*packet.Properties{&p.Props}
	case *packet.Ack:
		return []*packet.Properties{&p.Props}
	case *packet.Subscribe:
		return []*packet.Properties{&p.Props}
	case *packet.Suback:
		return []*packet.Properties{&p.Props}
	case *packet.Unsubscribe:
		return []*packet.Properties{&p.Props}
	case *packet.Unsuback:
		return []*packet.Properties{&p.Props}
	case *packet.Disconnect:
		return []*packet.Properties{&p.Props}
	case *packet.Auth:
		return []*packet.Properties{&p.Props}
	}
	return nil
}

// FuzzStream wants ParseHeader to say the same of a stream however it is cut, and never to want more than it says.
func FuzzStream(f *testing.F) {
	var all []byte
	for _, s := range samples() {
		if s.v == packet.V5 {
			all = s.p.Append(all, s.v)
		}
	}
	f.Add(all, byte(1))
	seed(f)
	f.Fuzz(func(t *testing.T, data []byte, m byte) {
		v, _ := unmode(m)
		for range 50 {
			whole, ok, err := packet.ParseHeader(data, v)
			for n := range min(len(data), 6) {
				h, some, e := packet.ParseHeader(data[:n], v)
				switch {
				case e != nil:
					require.Error(t, err)
				case some:
					require.True(t, ok)
					require.Equal(t, whole, h)
				}
			}
			if err != nil || !ok || whole.Size > len(data) {
				return
			}
			require.Greater(t, whole.Size, 1)
			data = data[whole.Size:]
		}
	})
}
