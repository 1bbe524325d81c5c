package rules

import (
	"context"
	"iter"
)

// A Store keeps the records of a [Service]: a dumb table for each kind. [NewMemory] is
// the default; rulestest checks others. A service reads everything when it is made and
// from then on only writes.
//
// Everything may be called concurrently. A call that returns without an error is as safe
// as the store promises, and every later call, on any goroutine, sees it.
type Store interface {
	// All yields the records of a kind in ascending order of their names' bytes. An
	// error is yielded once and ends the sequence.
	All(ctx context.Context, kind RecordKind) iter.Seq2[Record, error]
	// Save stores a record, without keeping its Document, if the revision stored now is
	// one less than r.Revision; there must be none if that is 1. Otherwise it changes
	// nothing and returns ErrVersion.
	Save(ctx context.Context, kind RecordKind, r Record) error
	// Delete removes a record if its revision is the given one. Otherwise it changes
	// nothing and returns ErrVersion, or ErrNotFound if there is none.
	Delete(ctx context.Context, kind RecordKind, name string, revision int64) error
}

// A RecordKind is a kind of records.
type RecordKind string

// The kinds that a service has. A store must not care: it keeps any kind.
const (
	RuleRecord        RecordKind = "rule"
	DestinationRecord RecordKind = "destination"
)

// A Record is what a store keeps.
type Record struct {
	// Name is not empty; it may hold any byte.
	Name string
	// Revision is at least 1.
	Revision int64
	// Document is JSON.
	Document []byte
}
