package broker_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/packet"
)

func TestPublishReachesSubscriber(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		sub := connect(t, addr, v, "sub")
		require.Equal(t, byte(1), sub.subscribe("a/+", 1))
		pub := connect(t, addr, v, "pub")
		pub.send(publish("a/b", "hello", 1, 7))
		require.Equal(t, uint16(7), pub.wantAck(packet.TypePuback).PacketID)
		p := sub.wantPublish()
		require.Equal(t, "hello", string(p.Payload))
		sub.ping()
		pub.disconnect()
	})
}
