package mqtt

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/topic"
)

func TestParseTopic(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]Topic{
		"dt/#":                       {Pattern: "dt/#"},
		"dt/# in":                    {Pattern: "dt/#", Direction: In},
		"dt/# both 2":                {Pattern: "dt/#", Direction: Both, QoS: 2},
		"dt/# out 1 here/ there/":    {Pattern: "dt/#", Direction: Out, QoS: 1, LocalPrefix: "here/", RemotePrefix: "there/"},
		`  dt/+  both 0 "" far/  `:   {Pattern: "dt/+", Direction: Both, RemotePrefix: "far/"},
		"$aws/things/# in 1 a/$aws/": {Pattern: "$aws/things/#", Direction: In, QoS: 1, LocalPrefix: "a/$aws/"},
	} {
		got, err := ParseTopic(line)
		require.NoError(t, err, line)
		require.Equal(t, want, got, line)
	}
	for line, want := range map[string]string{
		"":                     "has 0 parts",
		"a b c d e f":          "has 6 parts",
		"a up":                 `direction in "a up" is "up", expected out, in or both`,
		"a in 3":               `qos in "a in 3" is "3", expected 0, 1 or 2`,
		"a in x":               `the QoS in "a in x" is "x"`,
		"a/#/b in":             "is \"a/#/b\", expected a topic filter",
		"a in 0 x+/ y/":        `is "x+/a", expected a topic filter`,
		"a in 0 +/ y/":         "expected a text without + and #",
		"it's out":             "expected a topic filter without '",
		"$share/g/a in 0":      "expected a topic filter",
		"g/a in 0 $share/ a/":  "expected a topic filter",
		"a in 999999999999999": "the QoS",
	} {
		_, err := ParseTopic(line)
		require.ErrorContains(t, err, want, line)
	}
}

func TestCross(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line, remote, local string
		ok                  bool
	}{
		{"dt/# in", "dt/a", "dt/a", true},
		{"dt/# in", "other/a", "", false},
		{"dt/# in 0 here/ there/", "there/dt/a", "here/dt/a", true},
		{"dt/# in 0 here/ there/", "there/dt", "here/dt", true},
		{"dt/# in 0 here/ there/", "dt/a", "", false},
		{`# in 0 "" there/`, "there/a/b", "a/b", true},
		{`# in 0 "" there/`, "there/", "", false},                        // no topic is left
		{`# in 0 "" there/`, "there", "", false},                         // which "there/#" matches
		{`# in 0 "" there/`, "there/$aws/things/x/shadow/up", "", false}, // not by a device
		{`$aws/# in 0 "" there/`, "there/$aws/x", "$aws/x", true},        // but by the host
		{"$aws/# in", "$aws/x", "$aws/x", true},
		{"# in", "$aws/x", "", false},
	} {
		parsed, err := ParseTopic(tt.line)
		require.NoError(t, err)
		local, ok := parsed.toLocal(tt.remote)
		require.Equal(t, tt.ok, ok, "%s %s", tt.line, tt.remote)
		require.Equal(t, tt.local, local, "%s %s", tt.line, tt.remote)
	}
}

// FuzzCross checks that no topic of a device becomes one that its line does not allow, and
// that the way back leads to the same.
func FuzzCross(f *testing.F) {
	f.Add("dt/#", "here/", "there/", "there/dt/a")
	f.Add("#", "", "there/", "there/$SYS/a")
	f.Add("+/a", "", "", "b/a")
	f.Add("$aws/#", "", "x/", "x/$aws/things")
	f.Fuzz(func(t *testing.T, pattern, local, remote, name string) {
		line := Topic{Pattern: pattern, Direction: In, LocalPrefix: local, RemotePrefix: remote}
		if field, _, _ := line.wrong(); field != "" || topic.CheckName(name) != nil {
			return
		}
		got, ok := line.toLocal(name)
		if !ok {
			return
		}
		if err := topic.CheckName(got); err != nil {
			t.Fatal(err)
		}
		if !topic.Match(line.remote(), name) || !topic.Match(line.local(), got) && !strings.HasPrefix(got, "$") {
			t.Fatalf("%q became %q by %+v", name, got, line)
		}
		if strings.HasPrefix(got, "$") && !strings.HasPrefix(line.local(), "$") {
			t.Fatalf("%q became %q by %+v", name, got, line)
		}
		if strings.TrimPrefix(got, local) != strings.TrimPrefix(name, remote) {
			t.Fatalf("%q became %q by %+v", name, got, line)
		}
	})
}
