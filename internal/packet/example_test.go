package packet_test

import (
	"errors"
	"fmt"

	"github.com/thinghub/thinghub/internal/packet"
)

// Read a stream frame by frame.
func ExampleParseHeader() {
	stream := []byte("\x30\x07\x00\x03a/bhi\xc0\x00\x30")
	for {
		h, ok, err := packet.ParseHeader(stream, packet.V311)
		if err != nil {
			fmt.Println("close:", err)
			return
		}
		if !ok || len(stream) < h.Size {
			fmt.Printf("%d byte left: read on\n", len(stream))
			return
		}
		body := stream[h.Body:h.Size]
		stream = stream[h.Size:]
		if h.Type != packet.TypePublish {
			fmt.Println(h.Type)
			continue
		}
		var p packet.Publish
		if err := p.Decode(h.Flags, body, packet.V311); err != nil {
			fmt.Println("close:", err)
			return
		}
		fmt.Printf("%s %s: %s\n", h.Type, p.Topic, p.Payload)
	}
	// Output:
	// PUBLISH a/b: hi
	// PINGREQ
	// 1 byte left: read on
}

// Encode once, then send to many: receivers differ in the packet identifier alone.
func ExamplePublish_Append() {
	p := packet.Publish{QoS: 1, Topic: []byte("a/b"), Payload: []byte("hi")}
	wire, idAt := p.Append(nil, packet.V5)
	for _, id := range []uint16{1, 515} {
		wire[idAt], wire[idAt+1] = byte(id>>8), byte(id)
		fmt.Printf("% x\n", wire)
	}
	// Output:
	// 32 0a 00 03 61 2f 62 00 01 00 68 69
	// 32 0a 00 03 61 2f 62 02 03 00 68 69
}

// Answer in a version the client may understand.
func ExampleConnect_Decode() {
	var c packet.Connect
	err := c.Decode([]byte("\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x04pump"))
	var e *packet.Error
	if errors.As(err, &e) && e.Code == packet.CodeUnsupportedVersion {
		fmt.Printf("%s level %d: %v\n", c.Protocol, c.Version, err)
	}
	// Output:
	// MQIsdp level 3: packet: CONNECT protocol name: want "MQTT"
}

func ExampleProperties_Has() {
	var p packet.Properties
	fmt.Println(p.Has(packet.PropMessageExpiry), p.MessageExpiry)
	p.SetMessageExpiry(0)
	fmt.Println(p.Has(packet.PropMessageExpiry), p.MessageExpiry)
	// Output:
	// false 0
	// true 0
}

func ExampleUserProperties() {
	var p packet.Properties
	p.AddUser("unit", "bar")
	p.AddUser("unit", "psi")
	for k, v := range packet.UserProperties(p.User) {
		fmt.Println(k, v)
	}
	// Output:
	// unit bar
	// unit psi
}
