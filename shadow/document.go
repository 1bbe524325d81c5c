package shadow

import (
	"context"
	"iter"
	"time"
)

// A Document is what a [Store] keeps of a shadow. Its slices are read-only, for
// everybody and for ever.
type Document struct {
	// Version is 1 for a new shadow and one more with every update.
	Version int64
	// Desired and Reported are the two sides: JSON objects as compact as the service
	// wrote them, nil when the side has no keys.
	Desired, Reported []byte
	// DesiredMeta and ReportedMeta say among others when each value was last set.
	DesiredMeta, ReportedMeta Meta
	// Updated is when this version was made.
	Updated time.Time
	// DeletedUntil is not zero in what Load returns of a deleted shadow: until then
	// its Version counts, afterwards it is as if the shadow had never been. Such a
	// document has nothing but these two.
	DeletedUntil time.Time
}

// Live reports that d is a shadow, not what is left of a deleted one.
func (d Document) Live() bool { return d.DeletedUntil.IsZero() && d.Version > 0 }

// Size is what counts against Config.MaxBytes: both sides, without metadata.
func (d Document) Size() int { return len(d.Desired) + len(d.Reported) }

// A Side is one half of a shadow's state.
type Side uint8

// The sides: what somebody wants, and what the device says it is.
const (
	Desired Side = iota
	Reported
)

// String returns the side as it is called in JSON.
func (s Side) String() string {
	if s == Desired {
		return "desired"
	}
	return "reported"
}

// Side returns one side: a JSON object, nil when it has no keys.
func (d Document) Side(s Side) []byte {
	if s == Desired {
		return d.Desired
	}
	return d.Reported
}

// Meta returns what belongs to one side.
func (d Document) Meta(s Side) Meta {
	if s == Desired {
		return d.DesiredMeta
	}
	return d.ReportedMeta
}

// AppendState appends {"desired":…,"reported":…} without the sides that are absent.
func (d Document) AppendState(dst []byte) []byte {
	return appendSides(dst, d.Desired, d.Reported)
}

// AppendMetadata appends {"desired":…,"reported":…} with {"timestamp":…} in epoch
// seconds in place of each value.
func (d Document) AppendMetadata(dst []byte) []byte {
	w := newWork()
	defer w.free()
	if err := w.load(d); err != nil {
		return append(dst, "{}"...)
	}
	return w.appendMetadata(dst, w.old, &[2][]byte{})
}

// AppendDelta appends the part of desired that reported lacks or has otherwise: a
// JSON object, or nothing when there is no difference.
func (d Document) AppendDelta(dst []byte) []byte {
	w := newWork()
	defer w.free()
	if err := w.load(d); err == nil && w.diffState(w.old) {
		dst = append(dst, w.deltaState...)
	}
	return dst
}

// A Store keeps documents. It is dumb: it knows nothing of JSON or merging. Its
// methods are called by many goroutines, and for one key by one at a time per
// service; services that share a store meet in it.
//
// Slices of a document given to Save belong to the store from then on, and nobody
// writes to them; what Load returns is treated alike. The strings of keys may be
// kept. Who ranges over Names or All may call the store in the loop. A store may be a
// [Historian] too. Package shadowtest has the suite that every store must pass.
type Store interface {
	// Load returns a live document, or of a shadow deleted not too long ago its
	// Version and DeletedUntil, or else ErrNotFound.
	Load(ctx context.Context, k Key) (Document, error)
	// Save keeps d, whose Version must be one more than what Load returns at the
	// time (1 after ErrNotFound or past DeletedUntil): otherwise it returns
	// ErrVersion and changes nothing.
	Save(ctx context.Context, k Key, d Document) error
	// Delete removes the live document of that version and remembers the version
	// until a time; from then on the store may, and by and by should, forget it. It
	// returns ErrNotFound if there is no live document and ErrVersion if it has
	// another version.
	Delete(ctx context.Context, k Key, version int64, until time.Time) error
	// Names yields the names of a thing's live named shadows in byte order, those
	// greater than after. Changes made meanwhile may or may not show.
	Names(ctx context.Context, thing, after string) iter.Seq2[string, error]
	// All yields the keys of all live documents in any order. Changes made meanwhile
	// may or may not show.
	All(ctx context.Context) iter.Seq2[Key, error]
}

// Immediate is implemented by stores that never wait for a disk, a network or
// anybody else. With such a store [Service.Immediate] holds too.
type Immediate interface{ Immediate() bool }

// A Publisher takes what the service has to say. topic may be kept, payload is
// valid only during the call. Publish must not call the service and wait for it: it
// is called under the lock of the shadow whose message it is.
type Publisher interface {
	Publish(ctx context.Context, topic string, payload []byte) error
}

// PublisherFunc is a function that is a Publisher.
type PublisherFunc func(ctx context.Context, topic string, payload []byte) error

// Publish calls f.
func (f PublisherFunc) Publish(ctx context.Context, topic string, payload []byte) error {
	return f(ctx, topic, payload)
}
