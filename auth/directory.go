package auth

import (
	"context"
	"iter"
	"strings"
)

// A Directory keeps what the hub knows about principals: certificates, policies and
// what they are attached to, users, access keys, authorizers, provisioning templates.
// It is a dumb store of records under keys; what they mean is known to the packages
// below auth. The default is [NewMemory]; authtest.TestDirectory is the suite that
// every Directory passes.
//
// All methods may be called concurrently. What Commit has returned for is seen by
// every call that begins afterwards, and survives whatever the store promises to
// survive.
type Directory interface {
	// Get returns the record of a key, or an error that wraps [ErrNotFound].
	Get(ctx context.Context, key string) (Record, error)
	// Scan yields the records whose keys begin with prefix and come after the key
	// after ("" is before all), in ascending order of their bytes. A record that is
	// there throughout is yielded exactly once, one that comes, goes or changes
	// meanwhile at most once. The loop's body may use the Directory. An error is
	// yielded once and ends it.
	Scan(ctx context.Context, prefix, after string) iter.Seq2[Record, error]
	// Commit makes all changes or none. The error wraps [ErrConflict] if the revision
	// of a record is not what a change expects. No key may be changed twice in one
	// Commit.
	Commit(ctx context.Context, changes ...Change) error
}

// A Record is what a Directory keeps under a key.
type Record struct {
	Key string
	// Value must not be modified.
	Value []byte
	// Revision is at least 1. It is another one after each change, also when the record
	// was deleted and made anew meanwhile.
	Revision int64
}

// A Change puts or deletes a record.
type Change struct {
	// Key is not empty; it may hold any byte.
	Key string
	// Value is kept as it is and must not be modified afterwards; nil deletes.
	Value []byte
	// Was is the revision that the record has, 0 if there is none. [Any] does not look.
	Was int64
}

// Any as the expected revision makes a change whatever is stored.
const Any = -1

// Key joins parts into a key. Parts cannot run into each other: a zero byte within one
// is written as two bytes.
func Key(parts ...string) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteByte(0)
		}
		b.WriteString(escape.Replace(p))
	}
	return b.String()
}

// Prefix is what all keys begin with that have these parts, and at least one more.
func Prefix(parts ...string) string { return Key(parts...) + "\x00" }

// Parts takes a key apart.
func Parts(key string) []string {
	parts := strings.Split(key, "\x00")
	for i, p := range parts {
		parts[i] = unescape.Replace(p)
	}
	return parts
}

var (
	escape   = strings.NewReplacer("\x00", "\x01\x01", "\x01", "\x01\x02")
	unescape = strings.NewReplacer("\x01\x01", "\x00", "\x01\x02", "\x01")
)
