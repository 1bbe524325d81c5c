// Package records keeps values of one kind as JSON in a directory, for the packages
// below auth.
package records

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/thinghub/thinghub/auth"
)

// A Table is the records of one kind. Ids may have several parts, of which those in
// front are good for listing.
type Table[T any] struct {
	dir  auth.Directory
	kind string
}

// An Entry is a record of a table.
type Entry[T any] struct {
	ID       []string
	Value    T
	Revision int64 // 0: there is none
}

// NewTable returns the table of a kind. No two tables of a directory have one kind.
func NewTable[T any](dir auth.Directory, kind string) Table[T] { return Table[T]{dir, kind} }

func (t Table[T]) key(id []string) string { return auth.Key(append([]string{t.kind}, id...)...) }

// Get returns a record; the error wraps auth.ErrNotFound if there is none.
func (t Table[T]) Get(ctx context.Context, id ...string) (Entry[T], error) {
	r, err := t.dir.Get(ctx, t.key(id))
	if err != nil {
		return Entry[T]{}, err
	}
	return t.read(r)
}

// Find is Get with an empty entry where there is no record.
func (t Table[T]) Find(ctx context.Context, id ...string) (Entry[T], error) {
	e, err := t.Get(ctx, id...)
	if errors.Is(err, auth.ErrNotFound) {
		return Entry[T]{ID: id}, nil
	}
	return e, err
}

// List yields the records whose ids begin with the parts of under, in order of their
// ids, those after the one given if it is not nil. An error is yielded once and ends it.
func (t Table[T]) List(ctx context.Context, under, after []string) iter.Seq2[Entry[T], error] {
	from := ""
	if after != nil {
		from = t.key(after)
	}
	return func(yield func(Entry[T], error) bool) {
		for r, err := range t.dir.Scan(ctx, auth.Prefix(append([]string{t.kind}, under...)...), from) {
			var e Entry[T]
			if err == nil {
				e, err = t.read(r)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func (t Table[T]) read(r auth.Record) (e Entry[T], err error) {
	e.ID, e.Revision = auth.Parts(r.Key)[1:], r.Revision
	if err := json.Unmarshal(r.Value, &e.Value); err != nil {
		return e, fmt.Errorf("auth: the record %q of the directory cannot be read: %w", r.Key, err)
	}
	return e, nil
}

// Put is the change that stores v. was is the revision it has now, 0 for none, or
// auth.Any.
func (t Table[T]) Put(v T, was int64, id ...string) auth.Change {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("records: a %T cannot be written: %v", v, err)) // a mistake in its type
	}
	return auth.Change{Key: t.key(id), Value: b, Was: was}
}

// Delete is the change that deletes a record.
func (t Table[T]) Delete(was int64, id ...string) auth.Change {
	return auth.Change{Key: t.key(id), Was: was}
}

// Key returns the key of a record in the directory.
func (t Table[T]) Key(id ...string) string { return t.key(id) }

// Read reads a record of the table that came from the directory itself.
func (t Table[T]) Read(r auth.Record) (Entry[T], error) { return t.read(r) }
