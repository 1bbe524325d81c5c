package aws

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/timestreamwrite/types"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

func TestObjectMembers(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                             ``,
		` {"b" : 1, "a":[1, {"c":2}] } `: `b=1 a=[1, {"c":2}]`,
		`{"a":1,"b":2,"a":3}`:            `a=3 b=2`,
		`{"a\u0062":null}`:               `ab=null`,
		`{"a":1} {}`:                     `wrong`,
		`{"a":1`:                         `wrong`,
		`[]`:                             `wrong`,
		``:                               `wrong`,
		"\xff":                           `wrong`,
		strings.Repeat(`{"a":`, 20_000):  `wrong`,
	} {
		members, err := objectMembers([]byte(text))
		if want == "wrong" {
			require.ErrorContains(t, err, "expected a JSON object", text)
			continue
		}
		require.NoError(t, err, text)
		var got []string
		for _, m := range members {
			got = append(got, m.name+"="+string(m.value))
		}
		require.Equal(t, want, strings.Join(got, " "))
	}
}

// What is made of the payloads of devices is what it should be, whatever they hold.
func FuzzPayload(f *testing.F) {
	for _, text := range []string{
		`{"a":1,"b":"x,\"y\n","a":2}`, `{"a":{"b":[1,2]},"n":null,"t":true,"e":1e3,"big":9223372036854775808}`, `{"":""}`, `{"\ud800":"\ud800"}`, "{\"a\":\"\xff\"}", `[]`, `x`,
	} {
		f.Add([]byte(text))
	}
	stream := &timestreamAction{Timestream: Timestream{Dimensions: []Dimension{{"d", "v"}}}}
	logs := &logsAction{CloudWatchLogs: CloudWatchLogs{BatchMode: true}}
	f.Fuzz(func(t *testing.T, payload []byte) {
		ev := actions.Event{Payload: payload, Params: []string{"base", "table", "", "v"}, Message: &actions.Message{}}
		if lines, err := logs.lines(ev); err == nil {
			require.True(t, json.Valid(payload))
			for _, l := range lines {
				require.NotEmpty(t, *l.Message)
			}
		}
		members, err := objectMembers(payload)
		if err != nil {
			_, err := withMember(payload, "x", json.RawMessage("1"))
			require.Error(t, err)
			_, err = stream.records(ev)
			require.Error(t, err)
			return
		}
		require.True(t, json.Valid(payload))
		var names []string
		for _, m := range members {
			require.NotContains(t, names, m.name)
			names = append(names, m.name)
		}

		answer, err := withMember(payload, "x", json.RawMessage(`"answer"`))
		require.NoError(t, err)
		var object map[string]any
		require.NoError(t, json.Unmarshal(answer, &object), "%s", answer)
		require.Equal(t, "answer", object["x"])

		if line, err := csvLine(payload, names); err == nil && len(names) > 0 {
			r := csv.NewReader(bytes.NewReader(line))
			fields, err := r.Read()
			if len(names) == 1 && len(bytes.TrimSpace(line)) == 0 {
				return // a line with one empty field is an empty line
			}
			require.NoError(t, err, "%q", line)
			require.Len(t, fields, len(names))
			_, err = r.Read()
			require.Error(t, err, "one line: %q", line)
		}

		records, err := stream.records(ev)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(records), len(members))
		for _, r := range records {
			require.True(t, utf8.ValidString(*r.MeasureName))
			require.NotEmpty(t, *r.MeasureValue)
			require.LessOrEqual(t, len(*r.MeasureValue), longestValue)
			switch r.MeasureValueType {
			case types.MeasureValueTypeBigint, types.MeasureValueTypeDouble:
				require.True(t, isNumber(*r.MeasureValue), *r.MeasureValue)
			case types.MeasureValueTypeBoolean:
				require.Contains(t, []string{"true", "false"}, *r.MeasureValue)
			default:
				require.Equal(t, types.MeasureValueTypeVarchar, r.MeasureValueType)
			}
		}
	})
}
