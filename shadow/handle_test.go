package shadow_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

const topic = "$aws/things/t/shadow/"

var device = shadow.Requester{Source: shadow.FromMQTT, ClientID: "c"}

// send publishes a request and returns what is published in answer.
func (r *rig) send(t testing.TB, topic, payload string) []message {
	t.Helper()
	r.messages = nil
	handled, err := r.svc.Handle(t.Context(), topic, []byte(payload), device)
	require.NoError(t, err)
	require.True(t, handled)
	return r.messages
}

// Devices compare these texts.
func TestRejections(t *testing.T) {
	t.Parallel()
	nested := func(levels int) string {
		return strings.Repeat(`{"a":`, levels) + "1" + strings.Repeat("}", levels)
	}
	large := strings.Repeat("x", 8192)
	for name, c := range map[string]struct{ request, want string }{
		"empty":                {``, `{"code":400,"message":"Invalid JSON"}`},
		"white space":          {"  \n", `{"code":400,"message":"Invalid JSON"}`},
		"text":                 {`hello`, `{"code":400,"message":"Invalid JSON"}`},
		"cut off":              {`{"state":{"desired":{`, `{"code":400,"message":"Invalid JSON"}`},
		"more than one":        {`{"state":{}}{}`, `{"code":400,"message":"Invalid JSON"}`},
		"comma too many":       {`{"state":{"desired":{"a":1,}}}`, `{"code":400,"message":"Invalid JSON"}`},
		"number":               {`{"state":{"desired":{"a":01}}}`, `{"code":400,"message":"Invalid JSON"}`},
		"NUL":                  {"{\"state\":{\"desired\":{\"a\":\"\x00\"}}}", `{"code":400,"message":"Invalid JSON"}`},
		"byte order mark":      {"\xef\xbb\xbf" + `{"state":{}}`, `{"code":400,"message":"Invalid JSON"}`},
		"array":                {`[]`, `{"code":400,"message":"Invalid JSON"}`},
		"string":               {`"state"`, `{"code":400,"message":"Invalid JSON"}`},
		"null":                 {`null`, `{"code":400,"message":"Invalid JSON"}`},
		"duplicate":            {`{"state":{"desired":{"a":1,"a":1}},"clientToken":"t"}`, `{"code":400,"message":"Invalid JSON","clientToken":"t"}`},
		"duplicate escaped":    {`{"state":{"desired":{"a":1,"\u0061":1}}}`, `{"code":400,"message":"Invalid JSON"}`},
		"duplicate state":      {`{"state":{},"state":{}}`, `{"code":400,"message":"Invalid JSON"}`},
		"duplicate elsewhere":  {`{"state":{},"x":{"a":[{"b":1,"b":2}]}}`, `{"code":400,"message":"Invalid JSON"}`},
		"not UTF-8":            {"{\"state\":{\"desired\":{\"a\":\"\xff\"}},\"clientToken\":\"t\"}", `{"code":415,"message":"Unsupported documented encoding; supported encoding is UTF-8"}`},
		"UTF-16":               {"\xff\xfe{\x00}\x00", `{"code":415,"message":"Unsupported documented encoding; supported encoding is UTF-8"}`},
		"no state":             {`{"clientToken":"t"}`, `{"code":400,"message":"Missing required node: state","clientToken":"t"}`},
		"empty object":         {`{}`, `{"code":400,"message":"Missing required node: state"}`},
		"no state, bad token":  {`{"clientToken":1}`, `{"code":400,"message":"Missing required node: state"}`},
		"state is text":        {`{"state":"on"}`, `{"code":400,"message":"State node must be an object"}`},
		"state is an array":    {`{"state":[]}`, `{"code":400,"message":"State node must be an object"}`},
		"state is false":       {`{"state":false}`, `{"code":400,"message":"State node must be an object"}`},
		"desired is a number":  {`{"state":{"desired":5}}`, `{"code":400,"message":"Desired node must be an object"}`},
		"desired is an array":  {`{"state":{"desired":[]}}`, `{"code":400,"message":"Desired node must be an object"}`},
		"reported is text":     {`{"state":{"reported":""}}`, `{"code":400,"message":"Reported node must be an object"}`},
		"unknown side":         {`{"state":{"foo":{}}}`, `{"code":400,"message":"State contains an invalid node: 'foo'"}`},
		"unknown quoted side":  {`{"state":{"f\"\\\u0000":{}}}`, `{"code":400,"message":"State contains an invalid node: 'f\\\"\\\\\\u0000'"}`},
		"unknown long side":    {`{"state":{"` + large[:65] + `":{}}}`, `{"code":400,"message":"State contains an invalid node"}`},
		"null in an array":     {`{"state":{"desired":{"x":1,"l":[1,[{"k":2},null]]}}}`, `{"code":400,"message":"State contains an invalid node: 'l'"}`},
		"null member in array": {`{"state":{"desired":{"x":1,"l":[{"b":null,"c":1}]}}}`, `{"code":400,"message":"State contains an invalid node: 'l'"}`},
		"null too deep":        {`{"state":{"desired":{"1":{"2":[{"4":{"5":{"6":{"7":{"8":{"9":null}}}}}}]}}}}`, `{"code":400,"message":"JSON contains too many levels of nesting; maximum is 8"}`},
		"null deep in arrays":  {`{"state":{"reported":{"x":[1],"o":{"p":[{"q":[[null]]}]}}}}`, `{"code":400,"message":"State contains an invalid node: 'p'"}`},
		"token is a number":    {`{"state":{},"clientToken":12}`, `{"code":400,"message":"Invalid clientToken"}`},
		"token is null":        {`{"state":{},"clientToken":null}`, `{"code":400,"message":"Invalid clientToken"}`},
		"token of 65 bytes":    {`{"state":{},"clientToken":"` + large[:65] + `"}`, `{"code":400,"message":"Invalid clientToken"}`},
		"version is text":      {`{"state":{},"version":"1","clientToken":"t"}`, `{"code":400,"message":"Invalid version","clientToken":"t"}`},
		"version is negative":  {`{"state":{},"version":-1}`, `{"code":400,"message":"Invalid version"}`},
		"version is a decimal": {`{"state":{},"version":1.0}`, `{"code":400,"message":"Invalid version"}`},
		"version is huge":      {`{"state":{},"version":9223372036854775808}`, `{"code":400,"message":"Invalid version"}`},
		"version is null":      {`{"state":{},"version":null}`, `{"code":400,"message":"Invalid version"}`},
		"too deep":             {`{"state":{"desired":` + nested(9) + `}}`, `{"code":400,"message":"JSON contains too many levels of nesting; maximum is 8"}`},
		"too deep an object":   {`{"state":{"reported":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{}}}}}}}}}}}}`, `{"code":400,"message":"JSON contains too many levels of nesting; maximum is 8"}`},
		"too deep an array":    {`{"state":{"reported":{"a":` + strings.Repeat("[", 9) + strings.Repeat("]", 9) + `}}}`, `{"code":400,"message":"JSON contains too many levels of nesting; maximum is 8"}`},
		"too deep by far":      {`{"state":{"reported":` + nested(10000) + `}}`, `{"code":400,"message":"JSON contains too many levels of nesting; maximum is 8"}`},
		"deep and cut off":     {strings.Repeat("[", 100_000), `{"code":400,"message":"Invalid JSON"}`},
		"deep and mixed up":    {`{"state":{"desired":` + strings.Repeat(`{"a":[`, 1000) + strings.Repeat(`}]`, 1000) + `}}`, `{"code":400,"message":"Invalid JSON"}`},
		"wrong version first":  {`{"state":{"desired":{"a":"` + large + `"}},"version":3,"clientToken":"t"}`, `{"code":409,"message":"Version conflict","clientToken":"t"}`},
		"too large":            {`{"state":{"desired":{"a":"` + large + `"}},"clientToken":"t"}`, `{"code":413,"message":"The payload exceeds the maximum size allowed","clientToken":"t"}`},
		"too large by far":     {strings.Repeat(" ", 128<<10) + `{}`, `{"code":413,"message":"The payload exceeds the maximum size allowed"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, shadow.Config{})
			r.send(t, topic+"update", `{"state":{"desired":{"k":1}}}`)
			require.Equal(t, []message{{topic + "update/rejected", c.want}}, r.send(t, topic+"update", c.request))
			_, err := r.svc.Update(t.Context(), shadow.Key{Thing: "t"}, []byte(c.request), shadow.Requester{})
			var e *shadow.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.want, string(e.AppendJSON(nil)))
			v, err := r.svc.Get(t.Context(), shadow.Key{Thing: "t"}, shadow.Requester{})
			require.NoError(t, err)
			require.EqualValues(t, 1, v.Version, "a rejected request changes nothing")
			require.Equal(t, `{"k":1}`, string(v.Desired))
			require.Len(t, r.messages, 1, "a failed call publishes nothing")
		})
	}
}

func TestAccepts(t *testing.T) {
	t.Parallel()
	deepest := strings.Repeat(`{"a":`, 8) + "1" + strings.Repeat("}", 8)
	for name, c := range map[string]struct{ request, desired string }{
		"white space everywhere": {"\r\n\t {\"state\" : { \"desired\"\n:\t{ \"a\" : [ 1 , 2 ] , \"b c\" : \" x \" } } } ", `{"a":[1,2],"b c":" x "}`},
		"numbers keep their text": {
			`{"state":{"desired":{"a":26.500000,"b":9007199254740993,"c":1e400,"d":-0.0,"e":1E+02}}}`,
			`{"a":26.500000,"b":9007199254740993,"c":1e400,"d":-0.0,"e":1E+02}`,
		},
		"any key": {
			`{"state":{"desired":{"a.b":1,"a/b":2,"*#|@":3,"\\":4,"0":5,"":6,"\u0000":7,"\"":8,"~":9}}}`,
			`{"a.b":1,"a/b":2,"*#|@":3,"\\":4,"0":5,"":6,"\u0000":7,"\"":8,"~":9}`,
		},
		"no escape that can be avoided": {`{"state":{"desired":{"\u003c\u00e9":"\u0026\/\ud83d\udca1\u000a\u001F\uD800"}}}`, `{"<é":"&/💡\n\u001f\ud800"}`},
		"eight levels":                  {`{"state":{"desired":` + deepest + `}}`, deepest},
		"eight levels to an object":     {`{"state":{"desired":` + strings.Replace(deepest, "1", "{}", 1) + `}}`, strings.Replace(deepest, "1", "{}", 1)},
		"eight levels to an array":      {`{"state":{"desired":` + strings.Replace(deepest, "1", "[1,2]", 1) + `}}`, strings.Replace(deepest, "1", "[1,2]", 1)},
		"what is ignored may be deep":   {`{"state":{"desired":{"a":1},"delta":` + strings.Repeat(deepest[:5], 2000) + "1" + strings.Repeat("}", 2000) + `},"x":[null,[[[[[[[[[[[[]]]]]]]]]]]]]}`, `{"a":1}`},
		"exactly 8192 bytes":            {`{"state":{"desired":{"a":"` + strings.Repeat("x", 8184) + `"}}}`, `{"a":"` + strings.Repeat("x", 8184) + `"}`},
		"token of 64 bytes": {
			`{"state":{"desired":{"a":1}},"clientToken":"` + strings.Repeat(`\u0061`, 62) + `é"}`, `{"a":1}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			svc, err := shadow.New(shadow.Config{})
			require.NoError(t, err)
			a, err := svc.Update(t.Context(), shadow.Key{Thing: "t"}, []byte(c.request), shadow.Requester{})
			require.NoError(t, err)
			require.Equal(t, c.desired, string(a.Current.Desired))
			require.Contains(t, string(a.AppendJSON(nil)), c.desired)
		})
	}
}

func TestGetAndDeletePayloads(t *testing.T) {
	t.Parallel()
	r := newRig(t, shadow.Config{})
	for payload, rest := range map[string]string{
		``: `"}`, `{}`: `"}`, ` { } `: `"}`, `{"clientToken":"a b","state":5}`: `","clientToken":"a b"}`, `{"clientToken":"\u00e9\/"}`: `","clientToken":"é/"}`,
	} {
		for _, op := range []string{"get", "delete"} {
			want := strings.Replace(`{"code":404,"message":"No shadow exists with name: 't'"}`, `"}`, rest, 1)
			require.Equal(t, []message{{topic + op + "/rejected", want}}, r.send(t, topic+op, payload))
		}
	}
	for payload, want := range map[string]string{
		`x`: `{"code":400,"message":"Invalid JSON"}`, `[]`: `{"code":400,"message":"Invalid JSON"}`, `{"clientToken":1}`: `{"code":400,"message":"Invalid clientToken"}`,
		"\xff":                 `{"code":415,"message":"Unsupported documented encoding; supported encoding is UTF-8"}`,
		`{"a":1,"a":2}`:        `{"code":400,"message":"Invalid JSON"}`,
		`{"clientToken":"a"}x`: `{"code":400,"message":"Invalid JSON"}`,
	} {
		for _, op := range []string{"get", "delete"} {
			require.Equal(t, []message{{topic + op + "/rejected", want}}, r.send(t, topic+op, payload))
		}
	}
	named := "$aws/things/t/shadow/name/s/get"
	require.Equal(t, []message{{named + "/rejected", `{"code":404,"message":"No shadow exists with name: 't~s'"}`}}, r.send(t, named, ""))
}

func TestBadNamesAreRejectedOnTheirTopic(t *testing.T) {
	t.Parallel()
	r := newRig(t, shadow.Config{})
	for _, bad := range []string{
		"$aws/things/t/shadow/name//update", "$aws/things//shadow/update", "$aws/things/a b/shadow/get", "$aws/things/" + strings.Repeat("t", 129) + "/shadow/delete",
		"$aws/things/t/shadow/name/" + strings.Repeat("s", 65) + "/update", "$aws/things/t/shadow/name/a.b/get", "$aws/things/$t/shadow/get",
	} {
		got := r.send(t, bad, `{"state":{},"clientToken":"k"}`)
		require.Len(t, got, 1)
		require.Equal(t, bad+"/rejected", got[0].topic)
		require.Contains(t, got[0].payload, `{"code":400,"message":"Invalid `)
		require.Contains(t, got[0].payload, `"clientToken":"k"}`)
	}
	for k, err := range r.svc.All(t.Context()) {
		require.Fail(t, "something was stored", "%v %v", k, err)
	}
}

// The models let names of shadows, but not of things, have a "$".
func TestReservedNameOfAShadow(t *testing.T) {
	t.Parallel()
	r := newRig(t, shadow.Config{})
	const named = "$aws/things/t/shadow/name/$package/"
	require.Equal(t, named+"update/accepted", r.send(t, named+"update", `{"state":{"reported":{"v":1}}}`)[0].topic)
	require.Equal(t, named+"get/accepted", r.send(t, named+"get", "")[0].topic)
	p, err := r.svc.List(t.Context(), "t", 0, "", device)
	require.NoError(t, err)
	require.Equal(t, []string{"$package"}, p.Names)
}

func TestHandleLeavesOtherTopicsAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, shadow.Config{})
	for _, other := range []string{"a/b", topic + "update/accepted", topic + "update/delta", topic + "nonsense", "$aws/things/t/jobs/get"} {
		handled, err := r.svc.Handle(t.Context(), other, []byte(`{"state":{}}`), device)
		require.NoError(t, err)
		require.False(t, handled)
		require.Empty(t, r.messages)
	}
}

// What Handle is given may be a buffer that is used again.
func TestHandleKeepsNothingOfItsArguments(t *testing.T) {
	t.Parallel()
	r := newRig(t, shadow.Config{})
	text := []byte(topic + "update")
	payload := []byte(`{"state":{"reported":{"a":"before"}},"clientToken":"tok"}`)
	_, err := r.svc.Handle(t.Context(), unsafeString(text), payload, device)
	require.NoError(t, err)
	for _, b := range [][]byte{text, payload} {
		for i := range b {
			b[i] = 'X'
		}
	}
	require.Equal(t, topic+"update/accepted", r.messages[0].topic)
	v, err := r.svc.Get(t.Context(), shadow.Key{Thing: "t"}, shadow.Requester{})
	require.NoError(t, err)
	require.Equal(t, `{"a":"before"}`, string(v.Reported))
}

// A store that fails.
type brokenStore struct {
	*shadow.Memory
	load, save error
}

func (s *brokenStore) Load(ctx context.Context, k shadow.Key) (shadow.Document, error) {
	if s.load != nil {
		return shadow.Document{}, s.load
	}
	return s.Memory.Load(ctx, k)
}

func (s *brokenStore) Save(ctx context.Context, k shadow.Key, d shadow.Document) error {
	if s.save != nil {
		return s.save
	}
	return s.Memory.Save(ctx, k, d)
}

func TestStoreFailures(t *testing.T) {
	t.Parallel()
	cause := errors.New("disk full")
	s := &brokenStore{Memory: shadow.NewMemory()}
	r := newRig(t, shadow.Config{Store: s})
	k := shadow.Key{Thing: "t"}
	const rejected = `{"code":500,"message":"Internal service failure","clientToken":"x"}`

	s.save = cause
	handled, err := r.svc.Handle(t.Context(), topic+"update", []byte(`{"state":{"desired":{"a":1}},"clientToken":"x"}`), device)
	require.True(t, handled)
	require.ErrorIs(t, err, cause)
	require.ErrorIs(t, err, shadow.ErrInternal)
	require.ErrorContains(t, err, "shadow: save t: disk full")
	require.Equal(t, []message{{topic + "update/rejected", rejected}}, r.messages)

	s.save, s.load = nil, cause
	for _, op := range []string{"get", "update", "delete"} {
		r.messages = nil
		_, err = r.svc.Handle(t.Context(), topic+op, []byte(`{"state":{},"clientToken":"x"}`), device)
		require.ErrorIs(t, err, cause)
		require.Equal(t, []message{{topic + op + "/rejected", rejected}}, r.messages)
	}
	_, err = r.svc.Get(t.Context(), k, shadow.Requester{})
	require.ErrorIs(t, err, cause)
	require.Equal(t, 500, shadow.CodeOf(err))
	_, err = r.svc.Delete(t.Context(), k, shadow.Requester{})
	require.ErrorIs(t, err, cause)

	// Somebody else is always faster.
	s.load, s.save = nil, fmt.Errorf("store: %w", shadow.ErrVersion)
	_, err = r.svc.Update(t.Context(), k, []byte(`{"state":{}}`), shadow.Requester{})
	require.ErrorIs(t, err, shadow.ErrVersion)
	require.Equal(t, 409, shadow.CodeOf(err))
}

// Documents that somebody else has put into the store.
func TestForeignDocuments(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stored shadow.Document
		want   string // the desired side after {"b":2}; "" for a failure
	}{
		"white space":    {shadow.Document{Version: 1, Desired: []byte("{ \"a\" : 1 }\n")}, `{"a":1,"b":2}`},
		"escapes":        {shadow.Document{Version: 1, Desired: []byte(`{"\u0062":1}`)}, `{"b":2}`},
		"empty":          {shadow.Document{Version: 1, Desired: []byte(`{}`)}, `{"b":2}`},
		"too many times": {shadow.Document{Version: 1, Desired: []byte(`{"a":1}`), DesiredMeta: shadow.Meta{0, 200, 200, 1, 5}}, `{"a":1,"b":2}`},
		"broken times":   {shadow.Document{Version: 1, Desired: []byte(`{"a":1}`), DesiredMeta: shadow.Meta{0, 1, 255}}, `{"a":1,"b":2}`},
		"another shape":  {shadow.Document{Version: 1, Desired: []byte(`{"ab":1}`), DesiredMeta: shadow.Meta{4, 6, 1, 3 | 1<<3, 1, 1, 5}}, `{"ab":1,"b":2}`},
		"broken meta":    {shadow.Document{Version: 1, Desired: []byte(`{"a":1}`), DesiredMeta: shadow.Meta{255}}, `{"a":1,"b":2}`},
		"not JSON":       {shadow.Document{Version: 1, Desired: []byte(`{"a":1`)}, ""},
		"an array":       {shadow.Document{Version: 1, Reported: []byte(`[]`)}, ""},
		"duplicate keys": {shadow.Document{Version: 1, Desired: []byte(`{"a":1,"a":2}`)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := shadow.NewMemory()
			k := shadow.Key{Thing: "t"}
			require.NoError(t, s.Save(t.Context(), k, c.stored))
			svc, err := shadow.New(shadow.Config{Store: s})
			require.NoError(t, err)
			a, err := svc.Update(t.Context(), k, []byte(`{"state":{"desired":{"b":2}}}`), shadow.Requester{})
			if c.want == "" {
				require.ErrorIs(t, err, shadow.ErrInternal)
				require.ErrorContains(t, err, "shadow: load t: the stored ")
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, string(a.Current.Desired))
		})
	}
}

func TestPublisherFailuresAreTheHosts(t *testing.T) {
	t.Parallel()
	var log logBuffer
	svc, err := shadow.New(shadow.Config{Logger: log.logger(), Publisher: shadow.PublisherFunc(func(context.Context, string, []byte) error {
		return errors.New("no route")
	})})
	require.NoError(t, err)
	a, err := svc.Update(t.Context(), shadow.Key{Thing: "t"}, []byte(`{"state":{"desired":{"a":1}}}`), shadow.Requester{})
	require.NoError(t, err)
	require.EqualValues(t, 1, a.Version)
	require.Equal(t, 3, strings.Count(log.String(), "no route"))
}
