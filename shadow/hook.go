package shadow

import (
	"context"
	"time"
)

// A Hook takes part in changes. It implements any of the Hook... interfaces below;
// the service looks once which ones. Adding an interface breaks nobody.
//
// Hooks are called in the order of Config.Hooks, under the lock of the shadow that
// changes: they must be quick, must not change shadows and must not wait for
// anybody who does; Get is fine. A panic of a hook counts as an error of it.
type Hook any

// HookUpdating is asked before an update is merged. It may refuse it with an error:
// an [Error] (see [Refuse]) goes to the requester as it is, any other as 403
// Forbidden. It may replace p.State.
type HookUpdating interface {
	Updating(ctx context.Context, p *Pending) error
}

// HookDeleting is asked before a shadow is deleted and may refuse it like
// HookUpdating.
type HookDeleting interface {
	Deleting(ctx context.Context, p *Pending) error
}

// HookChanged is told of every change after it was stored and before it is
// published: of one shadow one at a time, in the order of versions. c is read-only
// and may be kept.
type HookChanged interface {
	Changed(ctx context.Context, c *Change)
}

// A Pending is a change that is asked for.
type Pending struct {
	Key Key
	By  Requester
	// Current is the document before the change: not Live if there is none.
	Current Document
	// State is the member "state" of the request, compact JSON: null, or an object
	// with the members desired and reported at most. A hook may set it to other JSON
	// of this form, which is checked like a request and takes its place, in the
	// accepted answer too; it must not write into it. It is nil for a deletion.
	State []byte
}

// Writes reports whether the change touches a side: mentions it, be it with null
// or without keys, or removes it with the rest.
func (p *Pending) Writes(s Side) bool { return writes(p.State, s) }

// A ChangeKind says what happened to a shadow.
type ChangeKind uint8

// The kinds of changes.
const (
	Updated ChangeKind = iota
	Deleted
	// Snapshot is, in a watch, a shadow as it was found: what led to it is not known,
	// or was not asked for. It may not be Live.
	Snapshot
)

// String returns the kind in lower case.
func (k ChangeKind) String() string {
	switch k {
	case Updated:
		return "updated"
	case Deleted:
		return "deleted"
	case Snapshot:
		return "snapshot"
	}
	return "unknown"
}

// A Change is something that happened to a shadow.
type Change struct {
	Key  Key
	Kind ChangeKind
	// By is who made it: of a Snapshot the zero Requester if that is not known.
	By Requester
	// Previous is the document before: not Live if there was none, or for a Snapshot.
	Previous Document
	// Current is the document after. After a deletion it has the deleted Version
	// and DeletedUntil.
	Current Document
	// Delta is the part of desired that reported lacks or has otherwise: a JSON
	// object, nil if there is none.
	Delta []byte
	// Time is when it was made: of a Snapshot the zero time if that is not known.
	Time time.Time
	// Missed is, in a watch, how many other changes are in this one, or how many
	// versions before this Snapshot are left out.
	Missed int64
}

// A Validator checks a document before it is stored: current is
// {"desired":…,"reported":…} as it would be, without the sides that are absent, and
// valid during the call. An [Error] goes to the requester as it is, any other error
// as code 400 with its text. Validators are called like hooks. The module
// shadow/jsonschema has one for JSON Schemas.
type Validator interface {
	Validate(ctx context.Context, k Key, current []byte) error
}
