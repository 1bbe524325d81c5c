package shadowtest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

// A Request is what a step of a [Vector] asks for.
type Request struct {
	Op      string // "update", "get", "delete", or "publish" of Payload on Topic
	Key     shadow.Key
	Topic   string // the request topic, whatever Op is
	Payload []byte
}

// An Answer is what came of a [Request].
type Answer struct {
	// Accepted or Rejected is the answer; the other one is nil.
	Accepted, Rejected []byte
	// Status is the HTTP status of a rejection, if it has come that way.
	Status int
	// Delta and Documents are the messages published on …/update/delta and
	// …/update/documents, nil for none.
	Delta, Documents []byte
}

// A Driver brings requests to a shadow service, one at a time, and brings back what
// came of them: everything the request has caused was published when Do returns.
type Driver interface {
	// Via is "mqtt" or "rest".
	Via() string
	Do(t testing.TB, r Request) Answer
}

// A Vector is a conversation with device shadows that are new at its beginning.
type Vector struct {
	ID    string   `json:"id"`
	Tier  string   `json:"tier"` // where it is known from
	Via   []string `json:"via"`  // by which ways it can be had; empty: all
	Steps []step   `json:"steps"`
}

type step struct {
	Op         string            `json:"op"`
	Thing      string            `json:"thing"`
	Shadow     string            `json:"shadow"`
	Topic      string            `json:"topic"`
	Payload    *json.RawMessage  `json:"payload"`
	PayloadRaw string            `json:"payload_raw"`
	PayloadHex string            `json:"payload_hex"`
	Millis     int               `json:"ms"`
	Expect     map[string]expect `json:"expect"`
}

// expect is a json.RawMessage that also keeps null.
type expect []byte

func (e *expect) UnmarshalJSON(b []byte) error {
	*e = bytes.Clone(b)
	return nil
}

// Vectors reads a file of conversations, such as shadow/testdata/shadow.json.
func Vectors(t testing.TB, path string) []Vector {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var file struct {
		Sequences []Vector `json:"sequences"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	require.NotEmpty(t, file.Sequences, "%s has no sequences", path)
	return file.Sequences
}

// Run has the conversation. Its things are named with the vector's id in front, so
// that one service may serve many.
func (v Vector) Run(t *testing.T, d Driver) {
	if len(v.Via) > 0 && !slices.Contains(v.Via, d.Via()) {
		return
	}
	require.NotEmpty(t, v.Steps)
	m := NewMatcher()
	for i, s := range v.Steps {
		switch s.Op {
		case "sleep":
			time.Sleep(time.Duration(s.Millis) * time.Millisecond)
		case "update", "get", "delete", "publish":
			v.step(t, d, m, i, s)
		default:
			t.Fatalf("step %d: unknown operation %q", i, s.Op)
		}
	}
}

func (v Vector) step(t *testing.T, d Driver, m *Matcher, i int, s step) {
	r := Request{Op: s.Op, Key: shadow.Key{Thing: v.ID + "-" + s.Thing, Name: s.Shadow}, Payload: s.payload(t)}
	r.Topic = strings.NewReplacer("{thing}", r.Key.Thing, "{shadow}", s.Shadow).Replace(s.Topic)
	if s.Topic == "" {
		named := ""
		if s.Shadow != "" {
			named = "/name/" + s.Shadow
		}
		r.Topic = "$aws/things/" + r.Key.Thing + "/shadow" + named + "/" + s.Op
	}
	got := d.Do(t, r)
	require.NotEmpty(t, s.Expect, "step %d expects nothing", i)
	require.False(t, (got.Accepted == nil) == (got.Rejected == nil), "step %d: accepted %s, rejected %s", i, got.Accepted, got.Rejected)
	for what, want := range s.Expect {
		var err error
		switch what {
		case "accepted":
			err = m.Match(want, got.Accepted)
		case "rejected":
			err = m.MatchSome(want, withStatus(t, got))
		case "delta":
			err = m.Match(want, got.Delta)
		case "documents":
			err = m.Match(want, got.Documents)
		default:
			t.Fatalf("step %d: unknown expectation %q", i, what)
		}
		require.NoError(t, err, "step %d, %s %s: %s\nexpected %s\naccepted %s\nrejected %s\ndelta %s\ndocuments %s",
			i, s.Op, r.Payload, what, want, got.Accepted, got.Rejected, got.Delta, got.Documents)
	}
}

// withStatus puts the HTTP status where other answers have their code.
func withStatus(t *testing.T, a Answer) []byte {
	if a.Status == 0 || a.Rejected == nil {
		return a.Rejected
	}
	var body map[string]any
	require.NoError(t, json.Unmarshal(a.Rejected, &body), "rejected with %s", a.Rejected)
	body["code"] = a.Status
	out, err := json.Marshal(body)
	require.NoError(t, err)
	return out
}

func (s step) payload(t *testing.T) []byte {
	switch {
	case s.PayloadHex != "":
		b, err := hex.DecodeString(s.PayloadHex)
		require.NoError(t, err)
		return b
	case s.PayloadRaw != "":
		return []byte(s.PayloadRaw)
	case s.Payload == nil:
		return nil
	case !bytes.Contains(*s.Payload, []byte(`"$fill"`)):
		return *s.Payload
	}
	v, err := decode(*s.Payload)
	require.NoError(t, err)
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	require.NoError(t, e.Encode(filled(v)))
	return bytes.TrimSpace(out.Bytes())
}
