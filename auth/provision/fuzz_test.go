package provision_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/provision"
)

// FuzzTemplate: whatever a template and its parameters are, they are an error that
// blames a member, or a plan that is in order and the same each time.
func FuzzTemplate(f *testing.F) {
	for _, b := range []string{
		fleetBody, jitpBody(), smallBody, registerBody(byCSR, `"ThingGroups": "FAIL"`, `"Status": "REPLACE"`), `{}`,
		withDocument(`{"Fn::Sub": "{\"Resource\":\"${P}\"}"}`), withDocument(`{"a": [{"Fn::Split": [",", {"Ref": "P"}]}, 1.5, null]}`),
		body(`"ThingName": {"Fn::Select": ["1", {"Fn::Split": ["-", {"Fn::Sub": ["${a}-${P}", {"a": {"Ref": "Q"}}]}]}]}`),
		body(`"ThingName": {"Fn::FindInMap": ["M", "k", {"Ref": "P"}]}`),
	} {
		f.Add(b, "P", "n", "Serial", "1")
	}
	f.Fuzz(func(t *testing.T, template, k1, v1, k2, v2 string) {
		parsed, err := provision.Parse(template)
		if err != nil {
			blames(t, err, provision.ErrInvalid)
			return
		}
		values := map[string]string{"AWS::IoT::Certificate::Id": strings.Repeat("a", 64), k1: v1, k2: v2}
		for _, p := range parsed.Parameters() {
			if _, ok := values[p.Name]; !ok {
				values[p.Name] = v1
			}
		}
		p, err := parsed.Evaluate(values)
		if err != nil {
			blames(t, err, provision.ErrParameters)
			return
		}
		again, err := parsed.Evaluate(values)
		require.NoError(t, err)
		require.Equal(t, p, again)
		for _, y := range p.Policies {
			if y.Document != "" {
				require.True(t, json.Valid([]byte(y.Document)), y.Document)
				require.Equal(t, byte('{'), strings.TrimLeft(y.Document, " \t\r\n")[0])
			}
			require.NotEmpty(t, y.Name)
			require.LessOrEqual(t, len(y.Name), 128)
		}
		if p.Thing != nil {
			require.NotEmpty(t, p.Thing.Name)
			require.LessOrEqual(t, len(p.Thing.Name), 128)
		}
		if c := p.Certificate; c != nil {
			require.Contains(t, []provision.Status{provision.Active, provision.Inactive}, c.Status)
		}
	})
}

// blames checks an error that a caller sees.
func blames(t *testing.T, err, kind error) {
	t.Helper()
	require.ErrorIs(t, err, kind)
	var e *provision.Error
	require.ErrorAs(t, err, &e)
	require.NotEmpty(t, e.Message)
	require.True(t, strings.HasPrefix(e.Field, "templateBody") || strings.HasPrefix(e.Field, "parameters"), e.Field)
	require.LessOrEqual(t, len(e.Value), 256)
}

// FuzzDocumentParameter: no value of a parameter leaves the text that it stands in.
func FuzzDocumentParameter(f *testing.F) {
	for _, s := range []string{"", "x", `","Action":"*`, `\`, "\n", "\u2028", "${a}", `"}`} {
		f.Add(s)
	}
	object, err := provision.Parse(withDocument(`{"a": {"Fn::Sub": "${P}"}}`))
	require.NoError(f, err)
	text, err := provision.Parse(withDocument(`{"Fn::Sub": "{\"a\":\"${P}\"}"}`))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, value string) {
		for _, parsed := range []*provision.Template{object, text} {
			p, err := parsed.Evaluate(map[string]string{"P": value, "AWS::IoT::Certificate::Id": strings.Repeat("a", 64)})
			if err != nil {
				blames(t, err, provision.ErrParameters)
				continue
			}
			var got map[string]any
			require.NoError(t, json.Unmarshal([]byte(p.Policies[0].Document), &got))
			require.Equal(t, map[string]any{"a": value}, got)
		}
	})
}

// FuzzMessage: every payload on every topic has one answer, in the format of the topic,
// and none is an internal failure.
func FuzzMessage(f *testing.F) {
	r := newRig(f)
	r.fleet(f)
	token := r.create(f, claimant).Token
	csr := request(f)
	for _, p := range []string{
		"", "{}", "null", "[]", provisionRequest(token, `{"Serial": "1"}`), provisionRequest("x", `{"Serial": 1}`), provisionRequest("", "null"),
		`{"certificateSigningRequest": ` + quoted(csr) + `}`, `{"certificateSigningRequest": "x", "more": [{"a": 1}]}`,
		"\xa0", "\xf6", "\xbf\xff", "\xa1\x61x\x81\x00", "\xc1\x00", "\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
	} {
		for op := range uint8(3) {
			f.Add(op, false, []byte(p))
			f.Add(op, true, []byte(p))
			var v any
			if json.Unmarshal([]byte(p), &v) == nil {
				b, err := cbor.Marshal(v)
				require.NoError(f, err)
				f.Add(op, true, b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, op uint8, binary bool, payload []byte) {
		r := newRig(t)
		r.fleet(t)
		topic := []string{"$aws/certificates/create/", "$aws/certificates/create-from-csr/", provisionTopic + "/"}[op%3] + "json"
		if binary {
			topic = strings.TrimSuffix(topic, "json") + "cbor"
		}
		handled, err := r.Handle(t.Context(), topic, payload, claimant)
		require.True(t, handled)
		require.NoError(t, err)
		m := r.sent(t)
		read := json.Unmarshal
		if binary {
			read = cbor.Unmarshal
		}
		if m.topic == topic+"/accepted" {
			var c created
			require.NoError(t, read(m.payload, &c))
			require.NotEqual(t, uint8(2), op%3, "there is no such token")
			require.NotEmpty(t, c.ID)
			return
		}
		require.Equal(t, topic+"/rejected", m.topic)
		var e rejection
		require.NoError(t, read(m.payload, &e))
		require.Equal(t, 400, e.Status)
		require.NotEmpty(t, e.Code)
		require.Empty(t, r.certificates)
	})
}

// FuzzFormats: a message means the same in both formats.
func FuzzFormats(f *testing.F) {
	f.Add("1", "north", "x")
	f.Add("", "south", "")
	f.Add("a b", "mars", "AWS::IoT::Certificate::Id")
	f.Fuzz(func(t *testing.T, serial, site, more string) {
		serial, site, more = strings.ToValidUTF8(serial, "?"), strings.ToValidUTF8(site, "?"), strings.ToValidUTF8(more, "?")
		m := map[string]any{more: more, "parameters": map[string]string{"Serial": serial, "Site": site, more: more}}
		var answers []string
		for _, format := range formats {
			r := newRig(t)
			r.fleet(t)
			c := r.create(t, claimant)
			m["certificateOwnershipToken"] = c.Token
			b, err := json.Marshal(m)
			require.NoError(t, err)
			_, answer := r.ask(t, claimant, provisionTopic, format, string(b))
			answers = append(answers, answer)
		}
		require.JSONEq(t, answers[0], answers[1])
	})
}

// FuzzToken: no text but the token itself opens anything.
func FuzzToken(f *testing.F) {
	f.Add("", uint8(0), byte(0))
	f.Add("AAAAAGj", uint8(3), byte(1))
	f.Fuzz(func(t *testing.T, token string, at uint8, flip byte) {
		r := newRig(t)
		r.fleet(t)
		c := r.create(t, claimant)
		changed := []byte(c.Token)
		changed[int(at)%len(changed)] ^= flip
		for _, x := range []string{token, string(changed), c.Token + token, token + c.Token} {
			if x == c.Token {
				continue
			}
			ok, answer := r.ask(t, claimant, provisionTopic, "json", provisionRequest(x, `{"Serial": "1"}`))
			require.False(t, ok)
			e := readRejection(t, answer)
			require.Contains(t, []string{"InvalidCertificateOwnershipToken", "InvalidPayload"}, e.Code)
		}
		require.Empty(t, r.things)
	})
}
