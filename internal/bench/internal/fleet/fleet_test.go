package fleet

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/policy"
)

// used is what clients of the load generator do, scenario by scenario.
var used = []struct{ scenario, client, action, name string }{
	{"fanin", "ip7", "Connect", "ip7"},
	{"fanin", "is0", "Subscribe", "fan/in/+/data"},
	{"fanin", "ip7", "Publish", "fan/in/ip7/data"},
	{"fanin", "is0", "Receive", "fan/in/ip7/data"},
	{"fanout", "fs9", "Subscribe", "fan/out/topic"},
	{"fanout", "fp0", "Publish", "fan/out/topic"},
	{"fanout", "fs9", "Receive", "fan/out/topic"},
	{"pairs", "ps7", "Subscribe", "pair/ps7/data"},
	{"pairs", "pp7", "Publish", "pair/ps7/data"},
	{"latency", "ps7", "Receive", "pair/ps7/data"},
	{"wildcard", "ws1", "Subscribe", "w/1/2/m/201"},
	{"wildcard", "ws1", "Subscribe", "w/1/2/+/201"},
	{"wildcard", "ws1", "Subscribe", "w/1/2/m/#"},
	{"wildcard", "ws1", "Subscribe", "+/1/2/m/201"},
	{"wildcard", "ws1", "Subscribe", "w/+/+/m/+"},
	{"wildcard", "ws1", "Subscribe", "w/#"},
	{"wildcard", "ws1", "Subscribe", "+/+/+/m/#"},
	{"wildcard", "ws1", "Subscribe", "w/+/+/m/#"},
	{"wildcard", "wp0", "Publish", "w/1/2/m/201"},
	{"wildcard", "ws1", "Receive", "w/1/2/m/201"},
	{"shared", "ss3", "Subscribe", "$share/grp/jobs/+/q"},
	{"shared", "sp3", "Publish", "jobs/sp3/q"},
	{"shared", "ss4", "Receive", "jobs/sp3/q"},
	{"retained", "rs0", "Subscribe", "ret/#"},
	{"retained", "rp0", "PublishRetained", "ret/1/2/state"},
	{"retained", "rs0", "Receive", "ret/1/2/state"},
	{"persist", "dur5", "Subscribe", "dur/dur5/cmd"},
	{"persist", "dp0", "Publish", "dur/dur5/cmd"},
	{"persist", "dur5", "Receive", "dur/dur5/cmd"},
	{"idle", "idle-device-5", "Subscribe", "dev/idle-device-5/cmd"},
}

func bind(t testing.TB, d Document, client string) *policy.Bound {
	t.Helper()
	text, err := json.Marshal(d)
	require.NoError(t, err)
	doc, err := policy.Parse(text)
	require.NoError(t, err)
	p, err := policy.Compile(scope, policy.Named{Name: "fleet", Doc: doc})
	require.NoError(t, err)
	return p.Bind(&policy.Facts{ClientID: client})
}

func asker(b *policy.Bound, action string) func(string) policy.Decision {
	return map[string]func(string) policy.Decision{
		"Connect": b.Connect, "Publish": b.Publish, "PublishRetained": b.PublishRetained, "Receive": b.Receive, "Subscribe": b.Subscribe,
	}[action]
}

func decide(t *testing.T, d Document, client, action, name string) policy.Outcome {
	t.Helper()
	return asker(bind(t, d, client), action)(name).Outcome
}

// The grants allow what the scenarios do, with any number of look-alikes beside them.
func TestPolicyAllows(t *testing.T) {
	t.Parallel()
	for _, n := range []int{Least, 20, 200} {
		for _, u := range used {
			for _, only := range []string{"", u.scenario} {
				d, err := Policy(n, only)
				require.NoError(t, err)
				require.Len(t, d.Statement, n)
				require.Equal(t, policy.Allowed, decide(t, d, u.client, u.action, u.name), "%d statements %q: %s of %s by %s", n, only, u.action, u.name, u.client)
			}
		}
	}
}

// What is somebody else's is denied, so the answers are worked out.
func TestPolicyDenies(t *testing.T) {
	t.Parallel()
	d, err := Policy(20, "")
	require.NoError(t, err)
	for _, u := range []struct{ client, action, name string }{
		{"pp7", "Connect", "pp8"},
		{"ps7", "Subscribe", "pair/ps8/data"},
		{"ps7", "Receive", "pair/ps8/data"},
		{"ip7", "Publish", "fan/in/ip8/data"},
		{"dur5", "Receive", "dur/dur6/cmd"},
		{"ss3", "Subscribe", "$share/grp/#"},
		{"fs9", "Publish", "elsewhere"},
	} {
		require.Equal(t, policy.ImplicitDeny, decide(t, d, u.client, u.action, u.name), "%s of %s by %s", u.action, u.name, u.client)
	}
	require.Equal(t, policy.ExplicitDeny, decide(t, d, "fs9", "Publish", "secret/fs9/x"))
}

// Look-alikes on their own neither allow nor deny anything that the scenarios do.
func TestLookAlikes(t *testing.T) {
	t.Parallel()
	for _, u := range used {
		for _, only := range []string{"", u.scenario} {
			d, err := Policy(200, only)
			require.NoError(t, err)
			d.Statement = d.Statement[:len(d.Statement)-Least]
			require.Equal(t, policy.ImplicitDeny, decide(t, d, u.client, u.action, u.name), "%q: %s of %s by %s", only, u.action, u.name, u.client)
		}
	}
}

func TestPolicyOfNothing(t *testing.T) {
	t.Parallel()
	_, err := Policy(Least-1, "")
	require.EqualError(t, err, "a policy of 10 statements, expected 11 at the least")
	_, err = Policy(20, "fan")
	require.EqualError(t, err, `statements about the topics of scenario "fan", expected one of mqttload`)
}

// BenchmarkDecide is the decisions of the scenarios about messages, one by one.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{20, 200} {
		for _, u := range used {
			if u.action == "Connect" || u.action == "Subscribe" {
				continue
			}
			for _, only := range []string{"", u.scenario} {
				b.Run(fmt.Sprintf("%d %s %s alike=%t", n, u.scenario, u.action, only != ""), func(b *testing.B) {
					d, err := Policy(n, only)
					require.NoError(b, err)
					ask := asker(bind(b, d, u.client), u.action)
					for b.Loop() {
						ask(u.name)
					}
				})
			}
		}
	}
}
