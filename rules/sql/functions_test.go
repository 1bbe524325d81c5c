package sql_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules/sql"
)

// value evaluates SELECT VALUE of an expression; "" is Undefined.
func value(t *testing.T, expression, payload string) string {
	t.Helper()
	s, err := sql.Compile("SELECT VALUE "+expression+" FROM '#'", sql.Options{})
	require.NoError(t, err, expression)
	r, err := s.Evaluate(t.Context(), &actions.Message{Topic: "t", Payload: []byte(payload)})
	require.NoError(t, err, expression)
	require.Equal(t, len(r.Output) == 0, r.Undefined, expression)
	return string(r.Output)
}

// A expected is an expression and the JSON of its value, "" for Undefined.
type expected struct{ expr, want string }

func checkValues(t *testing.T, payload string, list []expected) {
	t.Helper()
	for _, c := range list {
		t.Run(c.expr, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, value(t, c.expr, payload))
		})
	}
}

const siblings = `{"i":5,"n":-7,"d":2.75,"nd":-2.75,"t":true,"f":false,"s":"hello","num":"12.5","bad":"12abc","empty":"","a":[1, 2,3],` +
	`"o":{"x":1, "y":"two"},"z":null,"objs":[{"a":1},{"b":2,"k":0}],"ms":1700000000123,"b64":"aGVsbG8=","j64":"eyAiYSI6IFsxLCAyXSB9"}`

func TestTimes(t *testing.T) {
	t.Parallel()
	checkValues(t, siblings, []expected{
		{`parse_time('yyyy-MM-dd', ms)`, `"2023-11-14"`},
		{`parse_time("yyyy-MM-dd HH:mm:ss z", ms, 'America/Los_Angeles')`, `"2023-11-14 14:13:20 PST"`},
		{`parse_time('MMM MMMM', ms)`, `"Nov November"`},
		{`parse_time('EEE', ms)`, `"Tue"`},
		{`parse_time("yyyy'year'", ms)`, `"2023year"`},
		{`parse_time('SSS', 5)`, `"005"`},
		{`parse_time('yyyy', '1700000000123')`, `"2023"`},
		{`parse_time('SSS', '1.9')`, `"001"`},
		{`parse_time('yyyy-MM-dd', n)`, `"1969-12-31"`},
		{`parse_time('yyyy', bad)`, ``},
		{`parse_time('yyyy', z)`, ``},
		{`parse_time('yyyy', missing)`, ``},
		{`parse_time('yyyy', t)`, ``},
		{`parse_time('yyyy', a)`, ``},
		{`parse_time(z, 0)`, ``},
		{`parse_time(missing, 0)`, ``},
		{`parse_time(i, 0)`, ``},
		{`parse_time('yyyy', 0, z)`, ``},
		{`parse_time('yyyy', 0, missing)`, ``},
		{`parse_time('yyyy', 0, i)`, ``},
		{`parse_time('yyyy', 0, 'Local')`, ``},
		{`parse_time('yyyy', 0, '../etc/passwd')`, ``},
		{`parse_time('yyyy', 9e99)`, ``},
		{`parse_time('yyyy', 9223372036854775807)`, ``},
		{`parse_time('yyyy', -9223372036854775808)`, ``},
		{`parse_time('yyyy', 9214000000000000000)`, `"291982006"`},
		{`parse_time('HH:mm', timestamp() - timestamp() + 60000)`, `"00:01"`},
		{`time_to_epoch('2023-11-14', 'yyyy-MM-dd')`, `1699920000000`},
		{`time_to_epoch('2020-04-03 09:45:18 UTC+01:00', 'yyyy-MM-dd HH:mm:ss VV')`, `1585903518000`},
		{`time_to_epoch('18 December 2015', 'dd MMMM yyyy')`, `1450396800000`},
		{`time_to_epoch('2007-12-03 10:15:30.592 America/Los_Angeles', 'yyyy-MM-dd HH:mm:ss.SSS z')`, `1196705730592`},
		{`time_to_epoch(z, 'yyyy')`, ``},
		{`time_to_epoch(i, 'yyyy')`, ``},
		{`time_to_epoch('2023-11-14', z)`, ``},
		{`time_to_epoch('2023-11-14', missing)`, ``},
		{`time_to_epoch('2023-11-14', i)`, ``},
		{`time_to_epoch('999999999-01-01', 'y-MM-dd')`, ``},
		{`time_to_epoch('-999999999-01-01', 'u-MM-dd')`, ``},
		{`time_to_epoch('9999999999999999999', 'g')`, ``},
		{`time_to_epoch(parse_time("yyyy-MM-dd'T'HH:mm:ss.SSSZ", ms, 'Asia/Tokyo'), "yyyy-MM-dd'T'HH:mm:ss.SSSZ")`, `1700000000123`},
	})
}

// TestTimesRoundTrip writes and reads times in zones.
func TestTimesRoundTrip(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"UTC", "Europe/Paris", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca"} {
		l, err := time.LoadLocation(zone)
		require.NoError(t, err)
		for ms := int64(1_500_000_000_123); ms < 1_760_000_000_000; ms += 7_777_777_777 {
			want := time.UnixMilli(ms).In(l).Format("Mon, 02 Jan 2006 15:04:05.000 -07:00")
			got := value(t, fmt.Sprintf("parse_time('EEE, dd MMM yyyy HH:mm:ss.SSS ZZ', %d, '%s')", ms, zone), "")
			require.Equal(t, `"`+want+`"`, got)
			require.Equal(t, fmt.Sprint(ms), value(t, fmt.Sprintf("time_to_epoch(%s, 'EEE, dd MMM yyyy HH:mm:ss.SSS xxx')", got), ""))
		}
	}
}

func TestRegexps(t *testing.T) {
	t.Parallel()
	checkValues(t, siblings, []expected{
		{`regexp_matches('aaaa', 'a{2,}')`, `true`},
		{`regexp_matches('aaaa', 'b')`, `false`},
		{`regexp_matches(i, '5')`, `true`},
		{`regexp_matches(d, '^2\.75$')`, `true`},
		{`regexp_matches(o, '"x":1,')`, `true`},
		{`regexp_matches(s, 5)`, `false`},
		{`regexp_matches(125, i)`, `true`},
		{`regexp_matches('[1,2,3]', a)`, `true`},
		{`regexp_matches(missing, 'a')`, ``},
		{`regexp_matches('a', z)`, ``},
		{`regexp_matches('a', missing)`, ``},
		{`regexp_matches('a', concat('(', ''))`, ``},
		{`regexp_matches('a', concat('(?=a)', ''))`, ``},
		{`regexp_matches('a', '')`, `true`},
		{`regexp_replace('abcd', 'bc', 'x')`, `"axd"`},
		{`regexp_replace('abcd', 'b(.*)d', '$1ef')`, `"acef"`},
		{`regexp_replace('abcd', '(', 'x')`, ``},
		{`regexp_replace('abcd', 'b', '$1')`, ``},
		{`regexp_replace('abcd', 'b', '$')`, ``},
		{`regexp_replace('abcd', 'b', '\')`, ``},
		{`regexp_replace('abcd', 'b', '\$')`, `"a$cd"`},
		{`regexp_replace('abcd', 'b', z)`, ``},
		{`regexp_replace('abcd', 'b', missing)`, ``},
		{`regexp_replace('abcd', 'b', concat('$', '1'))`, ``},
		{`regexp_replace(z, 'b', 'c')`, ``},
		{`regexp_replace('abcd', z, 'c')`, ``},
		{`regexp_replace(12321, 2, 9)`, `"19391"`},
		{`regexp_replace(t, 'r', i)`, `"t5ue"`},
		{`regexp_replace(a, ',', ';')`, `"[1;2;3]"`},
		{`regexp_replace('abc', '', '-')`, `"-a-b-c-"`},
		{`regexp_replace('baac', 'a*', '-')`, `"-b--c-"`},
		{`regexp_replace("c\n", 'c$', 'x')`, `"c\\n"`},
		{`regexp_substr('hihihello', 'hi')`, `"hi"`},
		{`regexp_substr('hihihello', '(hi)*')`, `"hihi"`},
		{`regexp_substr('hello', 'x')`, ``},
		{`regexp_substr('hello', '(')`, ``},
		{`regexp_substr(z, 'x')`, ``},
		{`regexp_substr('x', z)`, ``},
		{`regexp_substr(t, 'r.*')`, `"rue"`},
		{`regexp_substr(o, ':.')`, `":1"`},
		{`regexp_substr('', '^$')`, `""`},
	})
}

// TestRegexpLimits: what comes with a message must not cost much.
func TestRegexpLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ pattern, want string }{
		"long":           {strings.Repeat("a", 9<<10), ``},
		"large":          {strings.Repeat(`(abcdefgh){100}`, 100), ``},
		"many classes":   {strings.Repeat(`\p{L}`, 1600), ``},
		"nested":         {strings.Repeat("(", 1000) + strings.Repeat(")", 1000), ``},
		"nested repeats": {strings.Repeat("(?:", 20) + "a" + strings.Repeat("){10}", 20), ``},
		"repeats":        {"a{1001}", ``},
		"catastrophic":   {"(a*)*b", `false`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := json.Marshal(map[string]string{"p": c.pattern, "s": strings.Repeat("a", 100_000)})
			require.NoError(t, err)
			require.Equal(t, c.want, value(t, "regexp_matches(s, p)", string(p)))
		})
	}
	big := fmt.Sprintf(`{"s":"%s","t":"%s"}`, strings.Repeat("a", 100_000), strings.Repeat("b", 100_000))
	require.Empty(t, value(t, "regexp_replace(s, 'a', t)", big))
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	checkValues(t, siblings, []expected{
		{`encode(s, 'base64')`, `"aGVsbG8="`},
		{`encode(t, 'base64')`, `"dHJ1ZQ=="`},
		{`encode(d, 'base64')`, `"Mi43NQ=="`},
		{`encode(o, 'base64')`, `"eyJ4IjoxLCJ5IjoidHdvIn0="`},
		{`encode(empty, 'base64')`, `""`},
		{`encode('€', 'base64')`, `"4oKs"`},
		{`encode(z, 'base64')`, ``},
		{`encode(missing, 'base64')`, ``},
		{`encode(s, 'hex')`, ``},
		{`decode(b64, 'base64')`, `"hello"`},
		{`decode('aGVsbG8', 'base64')`, `"hello"`},
		{`decode(j64, 'base64')`, `{"a":[1,2]}`},
		{`get(decode(j64, 'base64').a, 1)`, `2`},
		{`decode('NDI=', 'base64') + 1`, `43`},
		{`decode('dHJ1ZQ==', 'base64')`, `true`},
		{`decode('bnVsbA==', 'base64')`, `null`},
		{`decode('ImEi', 'base64')`, `"a"`},
		{`decode(empty, 'base64')`, `""`},
		{`decode('/w==', 'base64')`, `null`},
		{`decode('aGVsbG8==', 'base64')`, `null`},
		{`decode('aGVs*bG8=', 'base64')`, `null`},
		{"decode('aGVs\nbG8=', 'base64')", `null`},
		{`decode('a', 'base64')`, `null`},
		{`decode(i, 'base64')`, ``},
		{`decode(z, 'base64')`, ``},
		{`decode(missing, 'base64')`, ``},
		{`decode(o, 'base64')`, ``},
		{`decode(b64, 'hex')`, ``},
		{`decode(encode(*, 'base64'), 'base64').i`, `5`},
		{`(SELECT VALUE encode(*, 'base64') FROM objs)`, `["eyJhIjoxfQ==","eyJiIjoyLCJrIjowfQ=="]`},
		{`transform('enrichArray', {'k': i}, objs)`, `[{"a":1,"k":5},{"b":2,"k":5}]`},
		{`transform('enrichArray', {'k': missing}, objs)`, `[{"a":1},{"b":2,"k":0}]`},
		{`transform('enrichArray', {}, objs)`, `[{"a":1},{"b":2,"k":0}]`},
		{`transform('enrichArray', o, [])`, `[]`},
		{`transform('enrichArray', o, [{}])`, `[{"x":1,"y":"two"}]`},
		{`transform('enrichArray', o, a)`, ``},
		{`transform('enrichArray', a, objs)`, ``},
		{`transform('enrichArray', o, o)`, ``},
		{`transform('enrichArray', z, objs)`, ``},
		{`transform('enrichArray', missing, objs)`, ``},
		{`transform('enrichArray', o, missing)`, ``},
		{`transform('other', o, objs)`, ``},
	})
}

// TestDecodeRaw: a payload that is base64 text, and one of any bytes.
func TestDecodeRaw(t *testing.T) {
	t.Parallel()
	require.Equal(t, `{"a":1}`, value(t, `decode(*, 'base64')`, `eyJhIjoxfQ==`))
	require.Equal(t, `null`, value(t, `decode(*, 'base64')`, "\x00\xff"))
	require.Equal(t, `"AP8="`, value(t, `encode(*, 'base64')`, "\x00\xff"))
	require.Equal(t, `""`, value(t, `encode(*, 'base64')`, ""))
	deep := strings.Repeat("[", 1_000_000)
	require.JSONEq(t, `"`+deep+`"`, value(t, `decode(x, 'base64')`, `{"x":"`+base64.StdEncoding.EncodeToString([]byte(deep))+`"}`))
}

// TestTransformLimit: what transform makes has at most 128 KiB.
func TestTransformLimit(t *testing.T) {
	t.Parallel()
	many := func(n int) string {
		return `{"o":{"k":"` + strings.Repeat("x", 100) + `"},"a":[{}` + strings.Repeat(",{}", n-1) + `]}`
	}
	require.Len(t, value(t, `transform('enrichArray', o, a)`, many(1000)), 1+1000*109)
	require.Empty(t, value(t, `transform('enrichArray', o, a)`, many(1300)))
}

type protoStub struct{ message, got string }

func (p *protoStub) DecodeProto(_ context.Context, message []byte, bucket, key, file, name string) ([]byte, error) {
	p.message, p.got = string(message), strings.Join([]string{bucket, key, file, name}, " ")
	return []byte(`{"n": 1}`), nil
}

func TestDecodeProto(t *testing.T) {
	t.Parallel()
	const args = `'proto', 'bucket', 'key', 'file.proto', 'Message')`
	for expression, want := range map[string]string{
		`decode(encode(*, 'base64'), ` + args + `.n`:                    "1",
		`decode(*, ` + args + `.n`:                                      "1",
		`decode('AP8=', ` + args:                                        `{"n":1}`,
		`decode('***', ` + args:                                         `null`,
		`decode(5, ` + args:                                             ``,
		`decode('AP8=', 'proto', 'bucket', 5, 'file.proto', 'Message')`: ``,
	} {
		stub := &protoStub{}
		s, err := sql.Compile("SELECT VALUE "+expression+" FROM '#'", sql.Options{Externals: sql.Externals{Proto: stub}})
		require.NoError(t, err)
		require.True(t, s.CallsOut())
		r, err := s.Evaluate(t.Context(), &actions.Message{Topic: "t", Payload: []byte("\x00\xff")})
		require.NoError(t, err)
		require.Equal(t, want, string(r.Output), expression)
		if strings.Contains(want, "1") {
			require.Equal(t, protoStub{"\x00\xff", "bucket key file.proto Message"}, *stub)
		}
	}
	_, err := sql.Compile("SELECT decode(x, "+args+" AS r FROM '#'", sql.Options{})
	require.ErrorContains(t, err, "decode is not possible here")
}

// TestMistakesOfFunctions: what is refused, and where.
func TestMistakesOfFunctions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`SELECT regexp_matches(a, '(?=x)') FROM 'a'`:                             `line 1, column 26: regexp_matches: RE2 has no look-ahead, at position 1`,
		`SELECT regexp_matches(a, 'x(?<=y)') FROM 'a'`:                           `line 1, column 26: regexp_matches: RE2 has no look-behind, at position 2`,
		`SELECT regexp_substr(a, '(x)\1') FROM 'a'`:                              `line 1, column 25: regexp_substr: RE2 has no back-references, at position 4`,
		`SELECT regexp_replace(a, 'a*+a', '') FROM 'a'`:                          `line 1, column 26: regexp_replace: RE2 has no possessive repetitions, and this one means something else without, at position 2`,
		`SELECT regexp_replace(a, '(?>a|ab)c', '') FROM 'a'`:                     `line 1, column 26: regexp_replace: RE2 has no atomic groups, and this one means something else without, at position 1`,
		`SELECT encode(a, b) FROM 'a'`:                                           `line 1, column 18: argument 2 of encode must be a constant text: 'base64'`,
		`SELECT decode(a, b) FROM 'a'`:                                           `line 1, column 18: argument 2 of decode must be a constant text: 'base64' or 'proto'`,
		`SELECT decode(a, 'base64', 'x') FROM 'a'`:                               `line 1, column 8: decode has 3 arguments, expected 2`,
		`SELECT decode(a, 'proto') FROM 'a'`:                                     `line 1, column 8: decode has 2 arguments, expected 6`,
		`SET @m = 'enrichArray' SELECT transform(@m, o, a) FROM 'a'`:             `line 1, column 41: argument 1 of transform must be a constant text: 'enrichArray'`,
		`SELECT transform('enrichArray', a) FROM 'a'`:                            `line 1, column 8: transform has 2 arguments, expected 3`,
		`SELECT parse_time('yyyy') FROM 'a'`:                                     `line 1, column 8: parse_time has 1 arguments, expected 2 to 3`,
		`SELECT time_to_epoch(a, 'yyyy', 1) FROM 'a'`:                            `line 1, column 8: time_to_epoch has 3 arguments, expected 2`,
		`SELECT regexp_matches(a, '` + strings.Repeat("x", 9000) + `') FROM 'a'`: ``,
	} {
		s, err := sql.Compile(text, sql.Options{})
		if want == "" {
			require.NoError(t, err)
			require.Len(t, s.Warnings(), 1)
			continue
		}
		require.EqualError(t, err, want)
	}
}

// TestIndexes: a Decimal is the nearest Int, a text has its fraction cut off.
func TestIndexes(t *testing.T) {
	t.Parallel()
	checkValues(t, siblings, []expected{
		{`get(a, 1.4)`, `2`},
		{`get(a, 1.6)`, `3`},
		{`get(a, '1.6')`, `2`},
		{`get(a, d)`, ``},
		{`get(a, -0.4)`, `1`},
		{`get(a, -1)`, ``},
		{`get(a, 3)`, ``},
		{`get(a, 99999999999999999999)`, ``},
		{`get(s, 0.6)`, `"e"`},
		{`get(s, '0.6')`, `"h"`},
		{`get(o, 'x')`, `1`},
		{`get(o, 0)`, ``},
		{`a[1.6]`, `3`},
	})
}

// TestClientID: who did not publish over MQTT has no client id.
func TestClientID(t *testing.T) {
	t.Parallel()
	s, err := sql.Compile("SELECT VALUE clientid() FROM '#'", sql.Options{})
	require.NoError(t, err)
	for protocol, want := range map[actions.Protocol]string{actions.ProtocolMQTT: `"dev-1"`, actions.ProtocolHTTP: `"n/a"`, actions.ProtocolHub: `"n/a"`} {
		r, err := s.Evaluate(t.Context(), &actions.Message{Topic: "t", ClientID: "dev-1", Protocol: protocol})
		require.NoError(t, err)
		require.Equal(t, want, string(r.Output))
	}
	require.Empty(t, value(t, `get_mqtt_property('nope')`, ""))
	require.Empty(t, value(t, `get_mqtt_property(null)`, ""))
}

// TestWarnings: what AWS takes, although it never yields a value.
func TestWarnings(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`SELECT regexp_matches(a, '(') FROM 'a'`:          `line 1, column 26: regexp_matches is Undefined: the group that begins at position 1 is not closed, at position 2`,
		`SELECT regexp_replace(a, 'b', '$1') FROM 'a'`:    `line 1, column 31: regexp_replace is Undefined: there is no group 1, at position 2`,
		`SELECT parse_time('yyyy q', a) FROM 'a'`:         `line 1, column 19: parse_time is Undefined: the letter 'q' at position 6 of the pattern means nothing, text goes between single quotes`,
		`SELECT parse_time('yyyy', a, 'Mars') FROM 'a'`:   `line 1, column 30: parse_time is Undefined: there is no time zone "Mars"`,
		`SELECT time_to_epoch(a, 'yyyy]') FROM 'a'`:       `line 1, column 25: time_to_epoch is Undefined: the ] at position 5 of the pattern closes nothing`,
		`SELECT time_to_epoch(a, 'HHH') FROM 'a'`:         `line 1, column 25: time_to_epoch is Undefined: the letter 'H' stands 3 times, at most 2 are possible, at position 1 of the pattern`,
		`SELECT get_mqtt_property('x') FROM 'a'`:          `line 1, column 26: get_mqtt_property is Undefined: the property is "x", expected content_type, format_indicator, response_topic or correlation_data`,
		`SELECT encode(a, 'hex') FROM 'a'`:                `line 1, column 18: encode is Undefined: the scheme is "hex", expected base64`,
		`SELECT decode(a, 'hex') FROM 'a'`:                `line 1, column 18: decode is Undefined: the scheme is "hex", expected base64 or proto`,
		`SELECT transform('enrich', {}, a) FROM 'a'`:      `line 1, column 18: transform is Undefined: the mode is "enrich", expected enrichArray`,
		`SELECT a FROM 'a' WHERE regexp_matches(a, 'x{')`: `line 1, column 43: regexp_matches is Undefined: the { is no repetition, at position 3`,
	} {
		s, err := sql.Compile(text, sql.Options{})
		require.NoError(t, err, text)
		require.Len(t, s.Warnings(), 1, text)
		require.EqualError(t, s.Warnings()[0], want)
	}
	s, err := sql.Compile(`SELECT regexp_matches(a, '^b$') FROM 'a'`, sql.Options{})
	require.NoError(t, err)
	require.Empty(t, s.Warnings())
	tpl, err := s.Template(`x${regexp_substr(a, '[')}`, sql.Options{})
	require.NoError(t, err)
	require.Len(t, tpl.Warnings(), 1)
}
