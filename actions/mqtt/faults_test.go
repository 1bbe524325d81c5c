package mqtt_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/mqtt"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/mqttlink"
	"github.com/thinghub/thinghub/internal/servertest"
)

// passwords is the file of a broker's users, which all have the same password.
func passwords(tb testing.TB, users ...string) string {
	tb.Helper()
	tool, err := servertest.Find("mosquitto_passwd")
	require.NoError(tb, err)
	file := filepath.Join(tb.TempDir(), "passwords")
	text := ""
	for _, u := range users {
		text += u + ":secret\n"
	}
	require.NoError(tb, os.WriteFile(file, []byte(text), 0o600))
	out, err := exec.Command(tool, "-U", file).CombinedOutput()
	require.NoError(tb, err, string(out))
	hashed, err := os.ReadFile(file)
	require.NoError(tb, err)
	return string(hashed)
}

// rig is a Mosquitto that knows two users, of whom the action's can be locked.
func rig(qos byte) func(tb testing.TB) sinktest.Rig {
	return func(tb testing.TB) sinktest.Rig {
		both, one := passwords(tb, "reader", "hub"), passwords(tb, "reader")
		m := servertest.NewMosquitto(tb, servertest.MosquittoConfig{
			Lines: []string{"allow_anonymous false", "password_file {dir}/passwords", "max_packet_size 60000"},
			Files: map[string]string{"passwords": both},
		})
		set := func(text string) {
			require.NoError(tb, os.WriteFile(filepath.Join(m.Dir(), "passwords"), []byte(text), 0o600))
			m.Reload()
		}
		reader := connect(tb, mqttlink.Config{URL: "mqtt://" + m.Addr, Username: "reader", Password: "secret"}, "rec/+")
		return sinktest.Rig{
			Addr: m.Addr,
			Action: func(tb testing.TB, addr string) actions.Action {
				c := open(tb, addr, mqtt.Config{Sink: sinktest.Quick("mqtt", "far"), Username: "hub", Password: "secret"})
				return c.Publish(mqtt.Publish{Topic: "rec/${topic(2)}", QoS: qos})
			},
			Read: func(tb testing.TB) (list []sinktest.Record) {
				for _, p := range reader.received() {
					list = append(list, sinktest.Parse(tb, p.Payload))
				}
				return list
			},
			Break: func(testing.TB) func() {
				set(one)
				return func() { set(both) }
			},
			Poison: fmt.Appendf(nil, `{"key":"k1","n":1,"text":%q}`, strings.Repeat("x", 70_000)),
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, rig(1))
}

func BenchmarkThroughput(b *testing.B) {
	for qos := range byte(3) {
		b.Run(fmt.Sprintf("QoS%d", qos), func(b *testing.B) { sinktest.Bench(b, rig(qos)) })
	}
}
