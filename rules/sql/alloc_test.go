//go:build !race

package sql

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAllocsEval: a rule costs no memory, whether a message matches or not.
func TestAllocsEval(t *testing.T) {
	s, err := Compile(`SELECT temperature AS t, device.id AS id, topic(2) AS dev FROM 'sensors/+/telemetry' WHERE temperature > 30 AND device.kind = 'a'`, Options{})
	require.NoError(t, err)
	plan := NewPlan(s)
	for payload, matched := range map[string]bool{
		scanned: true,
		strings.Replace(scanned, "31.5", "29.5", 1):   false,
		strings.Replace(scanned, `"a"`, `"b"`, 1):     false,
		strings.ReplaceAll(scanned, ",", " ,\n"):      true,
		strings.Replace(scanned, "31.5", "3.15e1", 1): true,
		`{"temperature":31}`:                          false,
	} {
		m := message([]byte(payload))
		m.Topic = "sensors/dev-0042/telemetry"
		ctx := t.Context()
		n := testing.AllocsPerRun(1000, func() {
			r := plan.Begin(m)
			if res, err := r.Eval(ctx, 0); err != nil || res.Matched != matched {
				t.Fatal(res, err)
			}
			r.End()
		})
		require.Zero(t, n, payload)
	}
}

// TestAllocsFunctions: what is computed of constants and texts does not cost memory
// either.
func TestAllocsFunctions(t *testing.T) {
	for _, e := range []string{
		"temperature * 2 + 1.5", "concat(device.id, '/', mode)", "regexp_matches(device.id, '^dev-\\d+$')", "parse_time('yyyy-MM-dd HH:mm:ss z', ts, 'Europe/Paris')",
		"time_to_epoch('2023-11-14 22:13', 'yyyy-MM-dd HH:mm')", "encode(*, 'base64')", "decode('aGVsbG8=', 'base64')", "startswith(device.id, 'dev')", "[temperature, humidity]",
		"{'a': device}", "CASE mode WHEN 'a' THEN 1 ELSE 2 END", "get(tags, 1)", "temperature BETWEEN 1 AND 100", "substring(device.id, 0, 3)", "cast(temperature AS Int)",
	} {
		s, err := Compile("SELECT "+e+" AS x FROM '#'", Options{})
		require.NoError(t, err)
		plan, m, ctx := NewPlan(s), message([]byte(scanned)), t.Context()
		n := testing.AllocsPerRun(1000, func() {
			r := plan.Begin(m)
			if res, err := r.Eval(ctx, 0); err != nil || len(res.Output) < 3 {
				t.Fatal(res, err)
			}
			r.End()
		})
		require.Zero(t, n, e)
	}
}
