package broker_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/packet"
)

// TestFuzzSeeds keeps testdata/fuzz/FuzzServer what fuzzSeeds says; with
// THINGHUB_UPDATE=1 it writes the files.
func TestFuzzSeeds(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("testdata", "fuzz", "FuzzServer")
	for name, script := range fuzzSeeds() {
		file := filepath.Join(dir, name)
		want := fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", script)
		if os.Getenv("THINGHUB_UPDATE") != "" {
			require.NoError(t, os.MkdirAll(dir, 0o755))
			require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		}
		got, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, want, string(got), name)
	}
}

// record is one record of a script.
func record(client, act byte, v packet.Version, ps ...any) []byte {
	var data []byte
	for _, p := range ps {
		if b, ok := p.([]byte); ok {
			data = append(data, b...)
			continue
		}
		data = append(data, encode(v, p)...)
	}
	if len(data) > 255 {
		panic("a record holds 255 bytes")
	}
	return append([]byte{client | act<<3, byte(len(data))}, data...)
}

func subscription(filter string, options byte, id uint16) *packet.Subscribe {
	return &packet.Subscribe{PacketID: id, Filters: []packet.Subscription{{Filter: []byte(filter), Options: options}}}
}

func acked(t packet.Type, id uint16) *packet.Ack { return &packet.Ack{Type: t, PacketID: id} }

// fuzzSeeds are valid conversations of both versions.
func fuzzSeeds() map[string][]byte {
	const v3, v5 = packet.V311, packet.V5
	ping := []byte{0xc0, 0}
	bye := []byte{0xe0, 0}
	keepIt := publish("t/a", "kept", 1, 3)
	keepIt.Retain = true
	alias := publish("t/alias", "x", 0, 0)
	alias.Props.SetTopicAlias(1)
	aliasOnly := publish("", "y", 0, 0)
	aliasOnly.Props.SetTopicAlias(1)
	identified := subscription("+/#", 2, 5)
	identified.Props.AddSubscriptionID(7)
	withWill := hello(v5, "z", will("w/z", "gone", func(c *packet.Connect) { c.WillQoS, c.WillRetain = 1, true }))
	by := hello(v5, "m")
	by.Props.SetAuthMethod([]byte("two"))
	by.Props.SetAuthData([]byte("1"))
	step := &packet.Auth{Code: 0x18}
	step.Props.SetAuthMethod([]byte("two"))
	again := &packet.Auth{Code: 0x19}
	again.Props.SetAuthMethod([]byte("two"))
	unsub := &packet.Unsubscribe{PacketID: 8, Filters: [][]byte{[]byte("t/#"), []byte("$share/g/t/#")}}

	script := func(records ...[]byte) []byte {
		var s []byte
		for _, r := range records {
			s = append(s, r...)
		}
		return s
	}
	talks := map[string][]byte{
		"qos": script(
			record(0, fuzzConnect311, v3, subscription("t/#", 2, 1)),
			record(1, fuzzConnect5, v5, subscription("t/+", 1, 1), identified),
			record(2, fuzzConnect5, v5, publish("t/a", "0", 0, 0), publish("t/a", "1", 1, 1), publish("t/b", "2", 2, 2), acked(packet.TypePubrel, 2)),
			record(0, fuzzSend, v3, acked(packet.TypePuback, 1), acked(packet.TypePubrec, 2), acked(packet.TypePubcomp, 2), ping),
			record(1, fuzzSend, v5, acked(packet.TypePuback, 1), acked(packet.TypePuback, 2), unsub, bye),
			record(2, fuzzSendAndCut, v5, keepIt)),
		"retained": script(
			record(0, fuzzConnect5, v5, keepIt, keepIt, ping),
			record(1, fuzzConnect311, v3, subscription("#", 1, 1), subscription("t/a", 2, 2), subscription("#", 0, 3)),
			record(7, fuzzConnect5, v5), record(7, fuzzRepeat, v5, subscription("#", 1, 1))),
		"shared": script(
			record(0, fuzzConnect5, v5, subscription("$share/g/t/#", 1, 1)),
			record(1, fuzzResume5, v5, subscription("$share/g/t/#", 2, 1)),
			record(7, fuzzConnect311, v3, subscription("$share/g/t/#", 1, 1)),
			record(2, fuzzConnect311, v3), record(2, fuzzRepeat, v3, publish("t/x", "for one", 1, 1)),
			record(0, fuzzCut, v5), record(1, fuzzSendAndCut, v5, unsub)),
		"will": script(
			record(0, fuzzConnect5, v5, subscription("w/#", 1, 1)),
			record(1, fuzzSendAndCut, v5, withWill), record(2, fuzzSend, v5, withWill, []byte{0xe0, 1, 4})),
		"auth": script(
			record(0, fuzzSend, v5, by), record(0, fuzzSend, v5, step, subscription("a", 0, 1)),
			record(0, fuzzSend, v5, again, ping), record(0, fuzzSend, v5, step, ping)),
		"session": script(
			record(0, fuzzResume5, v5, subscription("t", 2, 1)), record(0, fuzzCut, v5),
			record(1, fuzzConnect5, v5, publish("t", "1", 1, 1), publish("t", "2", 2, 2), acked(packet.TypePubrel, 2)),
			record(4, fuzzResume5, v5, acked(packet.TypePubrec, 2)), record(0, fuzzResume5, v5, acked(packet.TypePuback, 1))),
		"flood": script(
			record(7, fuzzConnect5, v5, subscription("f", 0, 1)), record(3, fuzzConnect311, v3, subscription("f", 1, 1)),
			record(2, fuzzConnect5, v5), record(2, fuzzRepeat, v5, publish("f", "flood", 0, 0)),
			record(2, fuzzRepeat, v5, publish("f", "flood", 1, 1)), record(7, fuzzRepeat, v5, ping)),
		"alias":  script(record(0, fuzzConnect5, v5, subscription("t/alias", 0, 1), alias, aliasOnly)),
		"pieces": script(record(0, fuzzConnect311, v3), record(0, fuzzPieces, v3, subscription("t", 0, 1), publish("t", "x", 0, 0), bye)),
	}
	seeds := map[string][]byte{}
	for name, s := range talks {
		for kind, how := range map[string]byte{
			"goroutines": fuzzVanish, "loops": fuzzVanish | fuzzLoops, "kept": fuzzLoops | fuzzSmall | fuzzOldest, "small": fuzzVanish | fuzzSmall | fuzzEnd, "asking": fuzzVanish | fuzzAsk,
		} {
			seeds[name+"-"+kind] = append([]byte{how}, s...)
		}
	}
	return seeds
}
