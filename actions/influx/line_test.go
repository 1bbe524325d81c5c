package influx_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions/influx"
)

// A point is what a parser reads.
type point struct {
	measurement string
	tags        [][2]string
	fields      [][2]string // values as they stand there, texts unquoted with a " before them
	time        string
}

// A grammar is how a server reads lines. VictoriaMetrics takes two backslashes in a name as
// one, and ends lines before it looks for texts; InfluxDB does neither.
type grammar struct{ pairs, linesFirst bool }

var grammars = map[string]grammar{"InfluxDB": {}, "VictoriaMetrics": {pairs: true, linesFirst: true}}

// parse reads lines, written after the specification: in names a backslash makes a
// separator a part of the name, in texts a quote or a backslash.
func (g grammar) parse(text string) (points []point, err error) {
	for text != "" {
		var p point
		line := text
		if g.linesFirst {
			line, text, _ = strings.Cut(text, "\n")
			line += "\n"
		}
		if strings.HasPrefix(line, "#") {
			return nil, errors.New("a comment")
		}
		if p, line, err = g.line(line); err != nil {
			return nil, err
		}
		points = append(points, p)
		if !g.linesFirst {
			text = line
		} else if line != "" {
			return nil, fmt.Errorf("%q follows", line)
		}
	}
	return points, nil
}

func (g grammar) line(s string) (p point, rest string, err error) {
	var end byte
	if p.measurement, end, s, err = g.name(s, ", "); err != nil {
		return p, s, err
	}
	for end == ',' {
		var key, value string
		if key, _, s, err = g.name(s, "="); err != nil {
			return p, s, err
		}
		if value, end, s, err = g.name(s, ", ="); err != nil || end == '=' {
			return p, s, errors.Join(fmt.Errorf("the value of tag %q", key), err)
		}
		p.tags = append(p.tags, [2]string{key, value})
	}
	for end = ','; end == ','; {
		var key, value string
		if key, end, s, err = g.name(s, "=, "); err != nil || end != '=' {
			return p, s, errors.Join(fmt.Errorf("the key of field %q", key), err)
		}
		if strings.HasPrefix(s, `"`) {
			if value, s, err = quoted(s[1:]); err != nil {
				return p, s, err
			}
			value = `"` + value
		} else {
			n := strings.IndexAny(s, ", \n")
			value, s = s[:max(n, 0)], s[max(n, 0):]
		}
		if value == "" || s == "" {
			return p, s, fmt.Errorf("field %q has no value", key)
		}
		p.fields = append(p.fields, [2]string{key, value})
		end, s = s[0], s[1:]
	}
	if end != ' ' {
		return p, s, errors.New("no time")
	}
	p.time, s, _ = strings.Cut(s, "\n")
	if _, err := strconv.ParseInt(p.time, 10, 64); err != nil {
		return p, s, err
	}
	return p, s, nil
}

// name reads a name up to one of the separators.
func (g grammar) name(s, separators string) (name string, end byte, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\n':
			return b.String(), c, s[i+1:], errors.New("the line ends in a name")
		case c == '\\' && i+1 < len(s) && (strings.IndexByte(", =", s[i+1]) >= 0 || g.pairs && s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case strings.IndexByte(separators, c) >= 0:
			if b.Len() == 0 {
				return "", c, s[i+1:], errors.New("an empty name")
			}
			return b.String(), c, s[i+1:], nil
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, "", errors.New("no end of a name")
}

func quoted(s string) (text, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case c == '"':
			return b.String(), s[i+1:], nil
		default:
			b.WriteByte(c)
		}
	}
	return "", "", errors.New("a text without end")
}

// read is a name as a server of the grammar gives it back.
func (g grammar) read(name string) string {
	if g.pairs {
		name = strings.ReplaceAll(name, `\\`, `\`)
	}
	return name
}

// FuzzLine checks that what devices and rules bring into a line means there what it did
// before, to whomever reads it, or is refused.
func FuzzLine(f *testing.F) {
	for _, s := range [][5]string{
		{"m", "room", "kitchen", "temp", "a text"},
		{`m m,m=m`, `t t,t=t`, `v v,v=v`, `f f,f=f`, `"quoted" \ and \\ more`},
		{`m\m`, `t\t`, `v\\v`, `f\f`, `\`},
		{`#m`, `"t"`, `"v"`, `"f"`, "two\nlines v=1"},
		{`m\`, `t\`, `v\`, `f\`, "\r"},
		{`m`, `t`, `v\,evil\=1`, `f`, ``},
		{`m`, `t`, `x\ evil=1 1`, `f`, `\" evil=1`},
		{"é☃", "\x00", "\xff", "\u2028", "\xed\xa0\x80"},
		{"m", "t", "", "time", "x"},
		{"m", "t", "v\nevil v=1", "f", "x"},
		{`m`, `t`, `v`, `a"`, `b`},
		{`m`, `t`, `v`, `timestamp`, `b`},
	} {
		f.Add(s[0], s[1], s[2], s[3], s[4])
	}
	client, err := influx.Open(influx.Config{URL: "http://localhost"})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, measurement, tag, value, field, text string) {
		a := client.Write(influx.Write{DatabaseName: "d", TableName: measurement, Tags: map[string]string{tag: value}})
		if strings.Contains(measurement+value, "${") || a.Check() != nil {
			// Either part may be to blame; devices choose the others in spite of it.
			tag = "t"
			a = client.Write(influx.Write{DatabaseName: "d", TableName: "${m}", Tags: map[string]string{tag: "${v}"}})
			require.NoError(t, a.Check())
		}
		key, err := json.Marshal(field)
		require.NoError(t, err)
		quotedText, err := json.Marshal(text)
		require.NoError(t, err)
		payload := fmt.Sprintf(`[{"timestamp":1,%s:%s,"n":-1.5},{"n":2,"timestamp":2}]`, key, quotedText)
		lines, err := influx.Lines(a, event(payload, measurement, value))
		if err != nil {
			return
		}
		require.NoError(t, json.Unmarshal(key, &field)) // encoding made UTF-8 of it
		require.NoError(t, json.Unmarshal(quotedText, &text))
		require.True(t, utf8.ValidString(lines))
		for server, g := range grammars {
			var tags [][2]string
			if value != "" {
				tags = [][2]string{{g.read(tag), g.read(value)}}
			}
			want := []point{
				{g.read(measurement), tags, [][2]string{{g.read(field), `"` + text}, {"n", "-1.5"}}, "1000000"},
				{g.read(measurement), tags, [][2]string{{"n", "2"}}, "2000000"},
			}
			got, err := g.parse(lines)
			require.NoError(t, err, "%s reads %q", server, lines)
			require.Equal(t, want, got, "%s reads %q", server, lines)
		}
	})
}

// TestGrammars checks the parsers of the tests: they see what must not be written.
func TestGrammars(t *testing.T) {
	t.Parallel()
	victoria, influxdb := grammars["VictoriaMetrics"], grammars["InfluxDB"]
	evil := `m,t=a\\,evil\\=1 v=1 1` + "\n"
	got, err := victoria.parse(evil)
	require.NoError(t, err)
	require.Equal(t, [][2]string{{"t", `a\`}, {`evil\`, "1"}}, got[0].tags)
	got, err = influxdb.parse(evil)
	require.NoError(t, err)
	require.Equal(t, [][2]string{{"t", `a\,evil\=1`}}, got[0].tags)
	_, err = victoria.parse("m s=\"a\nb\",v=1 1\n")
	require.Error(t, err)
	for _, bad := range []string{"m\n", "m v=1\n", "m,t v=1 1\n", "m,t=a=b v=1 1\n", "m v 1\n", "m v=\"a 1\n", "#m v=1 1\n", "m v=1 x\n"} {
		for _, g := range grammars {
			_, err := g.parse(bad)
			require.Error(t, err, bad)
		}
	}
}
