package sinktest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/thinghub/thinghub/actions"
)

// A Rig is an action and its counterpart for one test.
type Rig struct {
	// Addr is where the counterpart listens, "127.0.0.1:5432".
	Addr string
	// Action makes the action, which must connect to addr only: a proxy in front of Addr.
	// Its sink, if it has one, is configured with [Quick]. What it holds open is closed
	// with tb.Cleanup.
	Action func(tb testing.TB, addr string) actions.Action
	// Read returns what has arrived at the counterpart since the rig was opened: read
	// past the proxy, in the order in which it was written, duplicates too.
	Read func(tb testing.TB) []Record
	// Break makes the counterpart answer with errors that pass, until mend is called: a
	// table is renamed, a user locked. It may be nil if HTTP is set.
	Break func(tb testing.TB) (mend func())
	// HTTP says that the action speaks HTTP with a counterpart that answers 503 when it
	// is overloaded: the proxy then does that instead of Break.
	HTTP bool
	// Poison is a payload that the counterpart, or the action, refuses for good; nil if
	// there is none.
	Poison []byte
	// Unordered says that what is read back has no order.
	Unordered bool
	// Once says that duplicates do not arrive, because the sink knows the ids of events
	// or writes by key.
	Once bool
}

// A Record is what the tests send: a JSON object with at least these members, on the topic
// sink/{key}. The rig's action writes it in a way that lets Read make it again.
type Record struct {
	Key string `json:"key"`
	N   int    `json:"n"`
}

// Parse makes a record of a payload as it was sent.
func Parse(tb testing.TB, payload []byte) Record {
	tb.Helper()
	var r Record
	if err := json.Unmarshal(payload, &r); err != nil || r.Key == "" {
		tb.Fatalf("not a record: %q (%v)", payload, err)
	}
	return r
}

// payload is what is sent for a record; size is how long it is about.
func (r Record) payload(size int) []byte {
	return fmt.Appendf(nil, `{"key":%q,"n":%d,"text":%q}`, r.Key, r.N, strings.Repeat("x", max(0, size-40)))
}
