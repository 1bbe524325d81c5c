package policy_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/policy"
)

// Figures in DESIGN.md come from:
//
//	go test -run '^$' -bench . ./auth/policy/

// program compiles a document given as statements.
func program(t testing.TB, statements ...string) *policy.Program {
	t.Helper()
	text := `{"Version": "2012-10-17", "Statement": [` + strings.Join(statements, ",") + `]}`
	doc, err := policy.Parse([]byte(text))
	require.NoError(t, err, text)
	p, err := policy.Compile(testScope, policy.Named{Name: "p", Doc: doc})
	require.NoError(t, err)
	return p
}

func statement(effect, action, resource string) string {
	return fmt.Sprintf(`{"Effect": %q, "Action": %q, "Resource": %q}`, effect, action, testScope+resource)
}

// withVariables is n statements as devices have them, all about publishing.
func withVariables(n int) []string {
	list := make([]string, n)
	for i := range list {
		effect, resource := "Allow", ""
		switch i % 5 {
		case 0:
			resource = fmt.Sprintf("topic/dt/${iot:ClientId}/kind-%d", i)
		case 1:
			resource = fmt.Sprintf("topic/$aws/things/${iot:Connection.Thing.ThingName}/part-%d/*", i)
		case 2:
			resource = fmt.Sprintf("topic/site/${iot:Connection.Thing.Attributes[site]}/line-%d/*", i)
		case 3:
			resource = fmt.Sprintf("topic/cmd/*/${iot:ClientId}/answer-%d", i)
		default:
			effect, resource = "Deny", fmt.Sprintf("topic/dt/${iot:ClientId}/secret-%d/*", i)
		}
		list[i] = statement(effect, policy.ActionPublish, resource)
	}
	return list
}

func pumpFacts() *policy.Facts {
	return &policy.Facts{
		ClientID: "pump-0001",
		Thing: policy.Thing{
			Name: "pump-0001", Type: "pump", Attached: true, Attributes: map[string]string{"site": "berlin"},
		},
		CertificateID: strings.Repeat("9f", 32),
		SourceIP:      netip.MustParseAddr("192.0.2.10"),
		Secure:        true,
	}
}

// questions are topic names for a set of n statements, and whether they are allowed.
func questions(n int) []struct {
	name, topic string
	allowed     bool
} {
	last := n/5*5 - 5
	return []struct {
		name, topic string
		allowed     bool
	}{
		{"first", "dt/pump-0001/kind-0", true},
		{"last", fmt.Sprintf("cmd/master/pump-0001/answer-%d", last+3), true},
		{"none", "dt/pump-0002/kind-0", false},
		{"denied", fmt.Sprintf("dt/pump-0001/secret-%d/x", last+4), false},
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{5, 20, 200} {
		bound := program(b, withVariables(n)...).Bind(pumpFacts())
		for _, q := range questions(n) {
			b.Run(fmt.Sprintf("%d/%s", n, q.name), func(b *testing.B) {
				require.Equal(b, q.allowed, bound.Publish(q.topic).Allowed())
				b.ReportAllocs()
				for b.Loop() {
					bound.Publish(q.topic)
				}
			})
		}
	}
}

// BenchmarkPublishHostile has patterns made to keep matchers busy, and names of 256 and
// 2048 bytes. They end in a star or in what the topic ends in, so that the end does not
// give them away.
func BenchmarkPublishHostile(b *testing.B) {
	for _, size := range []int{256, 2048} {
		topic := strings.Repeat("a", size-1) + "c"
		for name, pattern := range map[string]string{
			"stars":               strings.Repeat("a*", size/6) + "b*",
			"stars and end":       strings.Repeat("a*", size/6) + "b*c",
			"long segment":        "*" + strings.Repeat("a", size/3) + "b*",
			"question marks":      "*" + strings.Repeat("a?", size/5) + "b*",
			"short with question": "*" + strings.Repeat("a?", 25) + "b*",
			"stars and questions": strings.Repeat("*a?a?a?a", size/16) + "b*",
		} {
			b.Run(fmt.Sprintf("%d/%s", size, name), func(b *testing.B) {
				bound := program(b, statement("Allow", policy.ActionPublish, "topic/"+pattern)).Bind(pumpFacts())
				require.False(b, bound.Publish(topic).Allowed())
				b.ReportAllocs()
				for b.Loop() {
					bound.Publish(topic)
				}
			})
		}
	}
}

// BenchmarkPublishWatched has a coverage that has seen all statements, and one that has
// seen none.
func BenchmarkPublishWatched(b *testing.B) {
	for _, n := range []int{20, 200} {
		for _, seen := range []bool{true, false} {
			b.Run(fmt.Sprintf("%d/%t", n, seen), func(b *testing.B) {
				p := program(b, withVariables(n)...)
				bound := p.Bind(pumpFacts())
				p.Watch(policy.NewCoverage())
				for i := 0; seen && i < n; i++ {
					for _, topic := range []string{"dt/pump-0001/kind-%d", "$aws/things/pump-0001/part-%d/x", "site/berlin/line-%d/x", "cmd/x/pump-0001/answer-%d", "dt/pump-0001/secret-%d/x"} {
						bound.Publish(fmt.Sprintf(topic, i))
					}
				}
				b.ReportAllocs()
				for b.Loop() {
					bound.Publish("dt/pump-0002/kind-0")
				}
			})
		}
	}
}

// BenchmarkPublishAlike has entries that differ in their middle only.
func BenchmarkPublishAlike(b *testing.B) {
	var list []string
	for i := range 200 {
		list = append(list, statement("Allow", policy.ActionPublish, fmt.Sprintf("topic/site/line/%04d/telemetry/values", i)))
	}
	bound := program(b, list...).Bind(pumpFacts())
	b.ReportAllocs()
	for b.Loop() {
		bound.Publish("site/line/9999/telemetry/values")
	}
}

func BenchmarkBind(b *testing.B) {
	for _, n := range []int{5, 20, 200} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p, f := program(b, withVariables(n)...), pumpFacts()
			b.ReportAllocs()
			for b.Loop() {
				p.Bind(f)
			}
		})
	}
	b.Run("20 with conditions", func(b *testing.B) {
		list := withVariables(20)
		for i := range list {
			list[i] = strings.TrimSuffix(list[i], "}") + `, "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"},
				"StringEquals": {"iot:Connection.Thing.ThingTypeName": ["valve", "pump"]}, "Bool": {"iot:Connection.Thing.IsAttached": "true"}}}`
		}
		p, f := program(b, list...), pumpFacts()
		require.True(b, p.Bind(f).Publish("dt/pump-0001/kind-0").Allowed())
		b.ReportAllocs()
		for b.Loop() {
			p.Bind(f)
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	text := []byte(`{"Version": "2012-10-17", "Statement": [` + strings.Join(withVariables(20), ",") + `]}`)
	b.ReportAllocs()
	for b.Loop() {
		doc, err := policy.Parse(text)
		require.NoError(b, err)
		_, err = policy.Compile(testScope, policy.Named{Name: "p", Doc: doc})
		require.NoError(b, err)
	}
}
