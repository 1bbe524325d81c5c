package shadow_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/thinghub/thinghub/shadow"
)

// halves are escapes of half a surrogate pair, which package encoding/json, but not
// the engine, takes for U+FFFD.
var halves = regexp.MustCompile(`(?i)\\ud`)

// FuzzUpdate sends three requests to one shadow and compares everything that comes
// of each with a plain model over decoded values.
func FuzzUpdate(f *testing.F) {
	for _, s := range [][3]string{
		{`{"state":{"desired":{"a":1,"b":{"c":[1,{"d":2}],"e":{}}}}}`, `{"state":{"reported":{"a":1.0,"b":{"e":{"x":1},"c":[1,{"d":2e0}]}}}}`, `{"state":{"desired":{"b":{"c":null,"f":{"g":null,"h":1}}}}}`},
		{`{"state":{"desired":null,"reported":{"x":null}},"clientToken":"t"}`, `{"state":null}`, `{"state":{},"version":2}`},
		{`{"state":{"desired":{"\u0061":"\ud83d\ude00\/","b":"\u0000\""}}}`, `{"state":{"reported":{"a":"😀/"}}}`, `{"state":{"reported":{"b":"\u0000\u0022"}}}`},
		{` { "state" : { "desired" : { "a" : [ 1 , 2 ] , "b" : 1e400 } } , "x" : [ null ] } `, `{"state":{"delta":[],"reported":{"a":[1,2.0]}}}`, `{"state":{"desired":{"a":[null]}}}`},
		{`{"state":{"desired":{"a":1,"a":2}}}`, `{"state":{"desired":{"a":1,"\u0061":2}}}`, `{"state":{"foo":1}}`},
		{`{"state":{"desired":{"a":[{"b":null,"c":1}]}}}`, `{"state":{"reported":{"a":{"b":[[{"c":{"d":null}}]]}}}}`, `{"state":{"desired":{"a":{"b":null,"c":[{}]}}}}`},
		{`{"state":{"desired":{"1":{"2":{"3":{"4":{"5":{"6":{"7":{"8":1}}}}}}}}}}`, `{"state":{"reported":{"1":{"2":{"3":{"4":{"5":{"6":{"7":{"8":{"9":1}}}}}}}}}}}`, `{"state":{"desired":{"1":[[[[[[[[1]]]]]]]]}}}`},
		{`{"state":{"desired":{"a":0,"b":-0.0,"c":100,"d":0.001,"e":9007199254740993}}}`, `{"state":{"reported":{"a":0e9,"b":0,"c":1E+2,"d":1e-3,"e":9007199254740992}}}`, `{"state":{"reported":{"e":null,"q":1}}}`},
		{`{"state":{"desired":{"k0":0,"k1":1,"k2":2,"k3":3,"k4":4,"k5":5,"k6":6,"k7":7,"k8":8,"k9":9,"ka":1,"kb":1,"kc":1,"kd":1,"ke":1,"kf":1,"kg":1,"kh":{"z":1}}}}`, `{"state":{"reported":{"kh":{"z":2},"kg":1,"k0":0,"x":1}}}`, `{"state":{"desired":{"kh":null,"k1":{"o":1},"ki":2,"k0":null}}}`},
		{`{"state":{"reported":{"a":1,"bcdefghij":{"c":[true,"x"],"d":{}}}}}`, `{"state":{"reported":{"a":22,"bcdefghij":{"c":["",12.5],"d":{}}}}}`, `{"state":{"reported":{"a":[1],"bcdefghij":{"c":[1,2,3],"d":{}}},"desired":{"a":[1]}}}`},
		{`{"state":{"reported":{"a":1,"d":{}}}}`, `{"state":{"reported":{"a":2,"e":{}}}}`, `{"state":{"reported":{"a":2,"d":{},"e":{}}}}`},
		{`{"state":{"reported":{"value-001":1,"value-002":{"value-003":3}}}}`, `{"state":{"reported":{"value-002":{"value-004":3},"value-001":1}}}`, `{"state":{"desired":{"value-002":{"value-005":5,"value-003":3},"value-009":1}}}`},
		{`{"state":{"desired":{"1":{"2":[{"4":{"5":{"6":{"7":{"8":1}}}}}]}}}}`, `{"state":{"desired":{"1":{"2":[{"4":{"5":{"6":{"7":{"8":{"9":null}}}}}}]}}}}`, `{"state":{"desired":{"1":{"2":[{"4":{"5":{"6":{"7":{"8":null}}}}}]}}}}`},
		{`{"state":{"desired":{}},"clientToken":""}`, `{"state":{"desired":5}}`, `{"clientToken":"\ud800"}`},
		{`{"state":{"desired":{"z":"\u0000","a":1}}}`, `{"state":{"desired":{"a":2}}}`, `{"state":5}`},
	} {
		f.Add([]byte(s[0]), []byte(s[1]), []byte(s[2]))
	}
	svc, err := shadow.New(shadow.Config{})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		var d shadow.Document
		m := modelDoc{state: object{}, meta: object{}}
		comparable := true
		for i, payload := range [][]byte{a, b, c} {
			now := int64(1000 + i)
			comparable = comparable && !halves.Match(payload)
			before := bytes.Clone(payload)
			got, err := svc.Apply(d, payload, now)
			require.Equal(t, before, payload, "a request is not written to")
			if comparable {
				req, code := modelRequest(payload, 8)
				require.Equal(t, code, shadow.CodeOf(err), "%s: %v", payload, err)
				if code == 0 {
					next := modelUpdate(m, req, now)
					requireApplied(t, m, next, req, got, now)
					m = next
				}
			}
			if err != nil {
				continue
			}
			requireReadable(t, svc, got)
			d = got.Document
		}
	})
}

// requireApplied compares all that an update makes with the model.
func requireApplied(t *testing.T, before, after modelDoc, req object, got shadow.Applied, now int64) {
	t.Helper()
	d := got.Document
	requireJSON(t, after.state, d.AppendState(nil))
	requireJSON(t, after.meta, d.AppendMetadata(nil))
	timestamp, version := number(now), number(after.version)
	tagged := func(o object) object {
		if token, ok := req["clientToken"]; ok {
			o["clientToken"] = token
		}
		return o
	}
	delta, deltaMeta := modelDelta(after.state["desired"], after.meta["desired"], after.state["reported"])
	if delta == nil {
		require.Nil(t, got.Delta)
		require.Empty(t, d.AppendDelta(nil))
	} else {
		requireJSON(t, tagged(object{"state": delta, "metadata": deltaMeta, "version": version, "timestamp": timestamp}), got.Delta)
		requireJSON(t, delta, d.AppendDelta(nil))
	}
	state, meta := req["state"], modelStamp(req["state"], now)
	if sides, ok := state.(object); ok {
		delete(sides, "delta")
		delete(meta.(object), "delta")
	}
	requireJSON(t, tagged(object{"state": state, "metadata": meta, "version": version, "timestamp": timestamp}), got.Accepted)
	var previous any
	if before.version > 0 {
		previous = object{"state": before.state, "metadata": before.meta, "version": number(before.version)}
	}
	current := object{"state": after.state, "metadata": after.meta, "version": version}
	requireJSON(t, tagged(object{"previous": previous, "current": current, "timestamp": timestamp}), got.Documents)
}

// requireReadable checks that what was written is JSON in the one form, and that a
// request made of it makes the same document.
func requireReadable(t *testing.T, svc *shadow.Service, got shadow.Applied) {
	t.Helper()
	for _, text := range [][]byte{got.Accepted, got.Delta, got.Documents, got.Document.Desired, got.Document.Reported} {
		if text == nil {
			continue
		}
		require.True(t, json.Valid(text) && utf8.Valid(text), "%q", text)
		require.True(t, gjson.ValidBytes(text), "%q", text)
		require.Equal(t, string(text), string(shadow.Canonical(text)))
	}
	d := got.Document
	again, err := svc.Apply(shadow.Document{}, append(d.AppendState([]byte(`{"state":`)), '}'), 1)
	require.NoError(t, err)
	require.Equal(t, string(d.Desired), string(again.Document.Desired))
	require.Equal(t, string(d.Reported), string(again.Document.Reported))
}

func number(n int64) json.Number {
	b, _ := json.Marshal(n)
	return json.Number(b)
}

// requireJSON compares decoded values; numbers by their text.
func requireJSON(t *testing.T, want any, got []byte) {
	t.Helper()
	v, err := modelDecode(got)
	require.NoError(t, err, "%q", got)
	require.Equal(t, want, v)
}

// FuzzScan compares what is JSON, and what is a duplicate key, with package
// encoding/json.
func FuzzScan(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-0.5e+7,true,false,null,"\u00e9\n"]}`, `01`, `-`, `1.`, `1e`, `.5`, `+1`, `"\x"`, `"\u12g4"`, `[1,]`, `{"a":1,}`, `{,}`, `[`, `]`, `{"a"}`, `{"a":}`, `nul`, `truex`, ``,
		`[12345678,1234567,-0,1.25,-0.5,0.1234567,1234567.5,1e5,1.5e3,0e1,-1 ,9 ]`, `{"a":1234567,"b":-0.5}`, `[00,2345678]`, `[-01.5,2345678]`, `[1.2.3,4567]`, `[12345.,678]`, `[1.,2345678]`, `[-,12345678]`, `[.5,12345678]`, `[1a,2345678]`, `[1.5a,345678]`,
		` { "seven77" : "eight888" , "eight888" :"nine99999", "\u0073even77":"\"\\\n", "sixteen's 16 by\u0074es" : [ "" , { } , [ ] ] , "sixteen's 16 bytes":"\/" } `,
		`{"value-00":1,"value-01":2,"value-02":3,"value-0\u0030":4}`, `{"a\"b":1,"a\u0022b":2}`, `{"a\"b" : 1 ,"a'b":2}`,
		` [ ] `, `{}{}`, "\"\x00\"", "\"\x1f\"", "\"\x7f\"", `"\ud83d\ude00\ud83d"`, `{"a":{"a":1},"\u0061":[{"b":1,"b":2}]}`, "[1]\x00", `[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]`, "\xef\xbb\xbf{}",
	} {
		f.Add([]byte(s))
	}
	f.Add([]byte(strings.Repeat("[", 2000) + strings.Repeat("]", 2000)))
	f.Fuzz(func(t *testing.T, text []byte) {
		valid, duplicate := shadow.Valid(text)
		require.Equal(t, json.Valid(text), valid, "%q", text)
		if !valid || !utf8.Valid(text) {
			return
		}
		once, nodes := shadow.Read(text)
		again, same := shadow.Read(once)
		require.Equal(t, string(once), string(again), "the one form stays")
		require.Equal(t, same, nodes, "%q", text)
		if halves.Match(text) || len(text) > 500 {
			return
		}
		_, err := modelDecode(text)
		require.Equal(t, err != nil, duplicate, "%q: %v", text, err)
		if err == nil {
			v, err := modelDecode(text)
			require.NoError(t, err)
			requireJSON(t, v, once)
		}
	})
}

// FuzzNumbers compares numbers with big integers.
func FuzzNumbers(f *testing.F) {
	for _, s := range [][2]string{
		{"1", "1.0"},
		{"1", "10e-1"},
		{"-0", "0e5"},
		{"-0", "0"},
		{"-0", "-10"},
		{"10", "0"},
		{"100", "1E2"},
		{"0.001", "1e-3"},
		{"9007199254740993", "9007199254740992"},
		{"1e400", "10e399"},
		{"1e99999999999999999999", "10e99999999999999999998"},
		{"0e99999999999999999999", "0"},
		{"12.50", "125e-1"},
		{"-1", "1"},
		{"1e000000000000000000000001", "10"},
		{"123.456", "123456e-3"},
		{"1.23456e2", "123.456"},
		{"0.10", "0.1"},
		{"120", "12"},
		{"1e999999999999999999", "0.1e1000000000000000000"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, s := range []string{a, b} {
			if s == "" || s[0] != '-' && (s[0] < '0' || s[0] > '9') || !json.Valid([]byte(s)) || strings.TrimSpace(s) != s {
				return
			}
		}
		require.Equal(t, modelSame(a, b), shadow.EqualNumbers([]byte(a), []byte(b)), "%s and %s", a, b)
		require.True(t, shadow.EqualNumbers([]byte(a), []byte(a)))
	})
}

// FuzzHandle throws topics and payloads at a service: it answers every request
// exactly once, and nothing else.
func FuzzHandle(f *testing.F) {
	f.Add("$aws/things/t/shadow/update", []byte(`{"state":{"desired":{"a":1}}}`))
	f.Add("$aws/things/t/shadow/name/s/get", []byte(`{"clientToken":"x"}`))
	f.Add("$aws/things/t/shadow/name//delete", []byte(`[`))
	f.Add("$aws/things//shadow/update", []byte("\xff"))
	f.Add("$aws/things/t/shadow/update/accepted", []byte(`{}`))
	f.Add("$aws/things/shadow/shadow/get", []byte(``))
	f.Add("$aws/things/+/shadow/name/#/update", []byte("\x00"))
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		r := newRig(t, shadow.Config{})
		handled, err := r.svc.Handle(t.Context(), topic, payload, shadow.Requester{Source: shadow.FromMQTT, ClientID: "c"})
		require.NoError(t, err)
		require.Equal(t, shadow.Classify(topic) == shadow.Request, handled)
		if !handled {
			require.Empty(t, r.messages)
			return
		}
		a := r.answer(t, topic)
		require.NotEqual(t, a.Accepted == nil, a.Rejected == nil)
		for _, m := range r.messages {
			require.True(t, json.Valid([]byte(m.payload)), m.payload)
			require.Equal(t, shadow.Answer, shadow.Classify(m.topic))
		}
	})
}

// FuzzShape gives documents shapes that are not theirs, and checks those that are.
func FuzzShape(f *testing.F) {
	f.Add([]byte(`{"state":{"desired":{"a":1,"b":{"c":[1,{"d":"x"},[],{}]},"`+strings.Repeat("k", 40)+`":null}}}`), []byte{4, 6, 1, 11, 1, 1, 5})
	f.Add([]byte(`{"state":{"desired":{"":"`+strings.Repeat("v", 300)+`"}}}`), []byte{6, 6, 200, 1, 11, 1, 1, 5})
	svc, err := shadow.New(shadow.Config{})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, payload, meta []byte) {
		got, err := svc.Apply(shadow.Document{}, payload, 1000)
		if err != nil {
			return
		}
		d := got.Document
		for _, side := range []shadow.Side{shadow.Desired, shadow.Reported} {
			if text := d.Side(side); text != nil {
				known, read, ok := shadow.Shapes(text, d.Meta(side))
				require.True(t, ok, "%q", text)
				require.Equal(t, read, known, "%q", text)
			}
		}
		d.DesiredMeta = meta
		requireSafe(t, svc, d, payload)
		d.Desired, d.DesiredMeta = payload, got.Document.DesiredMeta
		requireSafe(t, svc, d, payload)
	})
}

// requireSafe works with a document that may be damaged, and whose text may be in
// payload too.
func requireSafe(t *testing.T, svc *shadow.Service, d shadow.Document, payload []byte) {
	t.Helper()
	_, _ = svc.Apply(d, payload, 1001)
	_, _ = svc.Apply(d, []byte(`{"state":{"desired":{"a":{"b":1}},"reported":{"a":1e2}}}`), 1001)
	_ = d.AppendDelta(nil)
	_ = d.AppendMetadata(nil)
}
