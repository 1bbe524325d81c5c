package influx_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions/influx"
)

func TestPoints(t *testing.T) {
	t.Parallel()
	const at = " 1767323045678901234\n" // the message's
	for _, c := range []struct {
		name    string
		api     influx.API
		write   influx.Write
		payload string
		tags    []string
		want    string
	}{
		{name: "every type", payload: `{"f":21.5,"w":21,"b":true,"n":false,"t":"a \"b\" \\ c","none":null}`, want: `m f=21.5,w=21,b=true,n=false,t="a \"b\" \\ c"` + at},
		{name: "integers", write: influx.Write{Integers: true}, payload: `{"a":9007199254740993,"b":-3,"c":2.0,"d":1e3}`, want: `m a=9007199254740993i,b=-3i,c=2,d=1000` + at},
		{
			name: "fields with types", payload: `{"a":21.0,"b":9007199254740993,"c":12.50,"d":true,"e":"x","f":1,"g":1e3,"other":5}`,
			write: influx.Write{Fields: map[string]influx.FieldType{"a": influx.Integer, "b": influx.Float, "c": influx.Text, "d": influx.Text, "e": influx.Text, "f": influx.Auto, "g": influx.Integer, "absent": influx.Boolean}},
			want:  `m a=21i,b=9.007199254740992e+15,c="12.50",d="true",e="x",f=1,g=1000i` + at,
		},
		{name: "nested", payload: `{"gps":{"pos":[8.5,47.4],"fix":{"ok":true}},"empty":{},"none":[]}`, want: `m gps_pos_0=8.5,gps_pos_1=47.4,gps_fix_ok=true` + at},
		{name: "nested, selected", write: influx.Write{Fields: map[string]influx.FieldType{"gps_pos_1": influx.Float}}, payload: `{"gps":{"pos":[8.5,47.4]}}`, want: `m gps_pos_1=47.4` + at},
		{name: "large floats that are exact", payload: `{"a":1152921504606846976,"b":-9007199254740992,"c":123456789012345678.5,"d":1e300}`, want: `m a=1.152921504606847e+18,b=-9.007199254740992e+15,c=1.2345678901234568e+17,d=1e+300` + at},
		{name: "timestamp", payload: `{"timestamp":1700000000123,"v":1}`, want: "m v=1 1700000000123000000\n"},
		{name: "timestamp in seconds", write: influx.Write{TimestampUnit: influx.Seconds}, payload: `{"v":1,"timestamp":1.7e9}`, want: "m v=1 1700000000000000000\n"},
		{name: "timestamp in microseconds", write: influx.Write{TimestampUnit: influx.Microseconds}, payload: `{"v":1,"timestamp":1700000000123456}`, want: "m v=1 1700000000123456000\n"},
		{name: "timestamp in nanoseconds", write: influx.Write{TimestampUnit: influx.Nanoseconds}, payload: `{"v":1,"timestamp":-5}`, want: "m v=1 -5\n"},
		{name: "timestamp null", payload: `{"v":1,"timestamp":null}`, want: "m v=1" + at},
		{name: "several points", payload: `[{"v":1,"timestamp":1},{"v":2,"timestamp":2}]`, want: "m v=1 1000000\nm v=2 2000000\n"},
		{name: "an array of one", payload: `[{"v":1}]`, want: "m v=1" + at},
		{name: "no points", payload: `[]`, want: ""},
		{
			name: "tags in order, empty ones left out", write: influx.Write{Tags: map[string]string{"room": "${r}", "a b": "x", "none": "${n}"}},
			payload: `{"v":1}`, tags: []string{"x,y= z", "", `ki"tchen\n`}, want: `m,a\ b=x\,y\=\ z,room=ki"tchen\n v=1` + at,
		},
		{name: "VictoriaMetrics", api: influx.VictoriaMetrics, payload: `{"v":1,"s":"text\nv=2","b":true}`, want: "m v=1,b=true" + at},
		{name: "keys that are no UTF-8", payload: "{\"a\xff\":1,\"b\":\"\xfe\\ud800\"}", want: "m a\uFFFD=1,b=\"\uFFFD\uFFFD\"" + at},
		{name: "keys of separators", payload: `{"a b,c=d":1}`, want: `m a\ b\,c\=d=1` + at},
		{name: "an escaped key of a timestamp", payload: `{"v":1,"timestam\u0070":7}`, want: "m v=1 7000000\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.write.DatabaseName, c.write.TableName = "d", "m"
			a := open(t, influx.Config{API: c.api}).Write(c.write)
			require.NoError(t, a.Check())
			got, err := influx.Lines(a, event(c.payload, append([]string{"m"}, c.tags...)...))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestPointsRefused(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 17) + "1" + strings.Repeat("}", 17)
	many := `{"a":[` + strings.Repeat("1,", 1000) + `1]}`
	for _, c := range []struct {
		name        string
		fields      map[string]influx.FieldType
		integers    bool
		payload     string
		measurement string
		tag         string
		want        string
	}{
		{name: "no JSON", payload: "21.5 degrees", want: "the payload is not JSON"},
		{name: "no object", payload: "21.5", want: "the payload is 21.5, expected an object or an array of objects"},
		{name: "an array of others", payload: `[{"v":1,"timestamp":1},[2]]`, want: "[1]: the payload is an array, expected an object or an array of objects"},
		{name: "no field", payload: `{"a":null,"timestamp":1}`, want: "there is no field to write"},
		{name: "no field that is wanted", fields: map[string]influx.FieldType{"b": influx.Auto}, payload: `{"a":1}`, want: "there is no field to write"},
		{name: "several points without a time", payload: `[{"v":1,"timestamp":1},{"v":2}]`, want: "[1]: timestamp is missing, which each of several points needs"},
		{name: "a time with a fraction", payload: `{"v":1,"timestamp":1.5}`, want: "timestamp is 1.5, expected a whole number"},
		{name: "a time as text", payload: `{"v":1,"timestamp":"1700000000000"}`, want: `timestamp is "1700000000000", expected a whole number`},
		{name: "a time too far", payload: `{"v":1,"timestamp":9223372036855}`, want: "timestamp is 9223372036855, which in milliseconds is not between the years 1677 and 2262"},
		{name: "a time too long ago", payload: `{"v":1,"timestamp":-9223372036855}`, want: "timestamp is -9223372036855, which in milliseconds is not between the years 1677 and 2262"},
		{name: "two times", payload: `{"v":1,"timestamp":1,"timestamp":2}`, want: "timestamp stands there twice"},
		{name: "a counter beyond floats", payload: `{"v":9007199254740993}`, want: `field "v": it is 9007199254740993, which no float is: give it the type "integer", or "float" to round it`},
		{name: "beyond 64 bits", fields: map[string]influx.FieldType{"v": influx.Integer}, payload: `{"v":9223372036854775808}`, want: `field "v": it is 9223372036854775808, expected a whole number of 64 bits`},
		{name: "a fraction as integer", fields: map[string]influx.FieldType{"v": influx.Integer}, payload: `{"v":1.5}`, want: `field "v": it is 1.5, expected a whole number of 64 bits`},
		{name: "beyond integers", integers: true, payload: `{"v":9223372036854775808}`, want: `field "v": it is 9223372036854775808, expected a whole number of 64 bits`},
		{name: "beyond floats", payload: `{"v":1e400}`, want: `field "v": it is 1e400, which is no number of 64 bits`},
		{name: "a text as number", fields: map[string]influx.FieldType{"v": influx.Float}, payload: `{"v":"1"}`, want: `field "v": it is "1", expected a number`},
		{name: "a number as boolean", fields: map[string]influx.FieldType{"v": influx.Boolean}, payload: `{"v":1}`, want: `field "v": it is 1, expected true or false`},
		{name: "a line break", payload: `{"v":"a\nevil v=1"}`, want: `field "v": it holds a line break, which Config.LineBreaks allows`},
		{name: "a name that is taken", payload: `{"time":1}`, want: `field "time": "time" is a name that the database keeps for itself`},
		{name: "no name", payload: `{"":1}`, want: `field "": a name is empty`},
		{name: "a quote in a name", payload: `{"a\"b":1}`, want: `field "a\"b": the name "a\"b" holds a quote, which a line cannot`},
		{name: "a line break in a name", payload: `{"a\nb":1}`, want: `field "a\nb": "a\nb" holds a control character, which a line cannot`},
		{name: "a backslash at the end of a name", payload: `{"a\\":1}`, want: `field "a\\": "a\\" holds a backslash before a separator or at its end, which a line cannot`},
		{name: "two of a name", payload: `{"a_b":1,"a":{"b":2}}`, want: `there are two fields of the name "a_b"`},
		{name: "too deep", payload: deep, want: `field "a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a": it is more than 16 deep`},
		{name: "too many", payload: many, want: "there are more than 1000 fields"},
		{name: "an empty measurement", payload: `{"v":1}`, measurement: "", want: "the measurement is empty"},
		{name: "a comment", payload: `{"v":1}`, measurement: "#m", want: `the measurement "#m" begins as a comment does`},
		{name: "a line break in a measurement", payload: `{"v":1}`, measurement: "m\nm", want: `"m\nm" holds a control character, which a line cannot`},
		{name: "a tag that leads out", payload: `{"v":1}`, measurement: "m", tag: `a\,evil=1`, want: `tags.t: "a\\,evil=1" holds a backslash before a separator or at its end, which a line cannot`},
		{name: "a tag that is no UTF-8", payload: `{"v":1}`, measurement: "m", tag: "\xff", want: `tags.t: "\xff" is not UTF-8`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.measurement == "" && !strings.HasPrefix(c.want, "the measurement") {
				c.measurement = "m"
			}
			a := open(t, influx.Config{}).Write(influx.Write{DatabaseName: "d", TableName: "${m}", Tags: map[string]string{"t": "${t}"}, Fields: c.fields, Integers: c.integers})
			require.NoError(t, a.Check())
			_, err := influx.Lines(a, event(c.payload, c.measurement, c.tag))
			require.EqualError(t, err, c.want)
		})
	}
}

func TestLineBreaks(t *testing.T) {
	t.Parallel()
	a := open(t, influx.Config{LineBreaks: true}).Write(influx.Write{DatabaseName: "d", TableName: "m"})
	got, err := influx.Lines(a, event(`{"v":"a\nb","timestamp":1}`, "m"))
	require.NoError(t, err)
	require.Equal(t, "m v=\"a\nb\" 1000000\n", got)
}

func TestWhole(t *testing.T) {
	t.Parallel()
	for literal, want := range map[string]int64{
		"0": 0, "-0": 0, "0.0": 0, "0e99999999999999999999": 0, "12": 12, "-12.0": -12, "1.2e1": 12, "1.50E1": 15, "120": 120, "100e-2": 1, "1e18": 1e18,
		"9223372036854775807": 9223372036854775807, "-9223372036854775808": -9223372036854775808, "922337203685477580.7e1": 9223372036854775807,
		"0.001e3": 1, "1.7E+9": 1700000000,
	} {
		n, ok := influx.Whole(literal)
		require.True(t, ok, literal)
		require.Equal(t, want, n, literal)
	}
	for _, literal := range []string{
		"1.5", "1e-1", "12.5e0", "9223372036854775808", "-9223372036854775809", "1e19", "1e999999999", "1e99999999999999999999", "1e-99999999999999999999",
		"10e9223372036854775807", "0.1", "123e-1",
	} {
		_, ok := influx.Whole(literal)
		require.False(t, ok, literal)
	}
}
