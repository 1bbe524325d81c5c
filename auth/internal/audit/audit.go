// Package audit tells an auth.Auditor how each operation of a service has ended, once and
// in one place, with what became known on the way.
package audit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// A Room is a service whose operations are told.
type Room struct {
	// Service is what events call it.
	Service string
	Audit   auth.Auditor
	Now     func() time.Time
	// Judge says what an error, which is not nil, means, and which one is told in its
	// place: it may say more than who asked may know, but no secrets. nil: auth.OutcomeOf,
	// and the error itself.
	Judge func(n *Note, err error) (auth.Outcome, error)
}

// A Note is what becomes known of an operation until it ends. It belongs to the operation's
// goroutine.
type Note struct {
	// Event has what is told. Principal is somebody who was proved; Time, Service and
	// Outcome are set at the end, and so is Err.
	auth.Event
	// About names whom or what the operation is about where that is no proof of who asks.
	// It stands in front of the reason.
	About string
	// Hidden is why nothing was done though who asked is told that it was.
	Hidden error
	// Quiet: nothing is told, as the operation is not at its end or has told all itself.
	Quiet bool

	room    *Room
	entered bool // by a Do, which is the operation
}

type key struct{}

// errPanicked is the reason of an operation that has not returned.
var errPanicked = errors.New("the operation panicked")

// Do does an operation and tells how it ended, also if it panics. If it is what a request
// in HTTP asks for, the note is that of the request, which tells.
func Do[O any](ctx context.Context, r *Room, operation string, do func(ctx context.Context, n *Note) (O, error)) (out O, err error) {
	if n, ok := ctx.Value(key{}).(*Note); ok && n.room == r && n.Operation == operation && !n.entered {
		n.entered = true
		return do(ctx, n)
	}
	n := &Note{room: r, entered: true}
	n.Operation = operation
	err = errPanicked
	defer func() { n.end(err) }()
	return do(context.WithValue(ctx, key{}, n), n)
}

// HTTP does the operation that a request asks for and tells how it ended, also if it
// panics. operation is empty if there is none of that name.
func (r *Room) HTTP(q *http.Request, operation string, do func(ctx context.Context, n *Note) (any, error)) (out any, err error) {
	n := &Note{room: r}
	n.Operation, n.RemoteAddr = operation, q.RemoteAddr
	err = errPanicked
	defer func() { n.end(err) }()
	return do(context.WithValue(q.Context(), key{}, n), n)
}

// Of returns the note of the operation of a room that goes on, or one that nobody reads.
func (r *Room) Of(ctx context.Context) *Note {
	if n, ok := ctx.Value(key{}).(*Note); ok && n.room == r {
		return n
	}
	return &Note{}
}

// Apart returns a context for what an operation calls but is none of its own: what a hook
// of the host's does with the same service is not noted.
func Apart(ctx context.Context) context.Context {
	return context.WithValue(ctx, key{}, nil)
}

// By notes an identity that was proved, if it is not nil.
func (n *Note) By(id *auth.Identity) {
	if id != nil {
		n.Principal, n.PrincipalARN = id.Principal, id.Attached()
	}
}

// Tell tells of a part of the operation that has ended with err, besides its end.
func (n *Note) Tell(err error) {
	if n.room == nil {
		return
	}
	e := n.Event
	e.Time, e.Service = n.room.Now(), n.room.Service
	if e.Err = err; err != nil {
		e.Outcome = auth.OutcomeOf(err)
		if n.room.Judge != nil {
			e.Outcome, e.Err = n.room.Judge(n, err)
		}
		if n.About != "" {
			e.Err = fmt.Errorf("%s: %w", n.About, e.Err)
		}
	}
	n.room.Audit.Audit(&e)
}

func (n *Note) end(err error) {
	if err == nil {
		err = n.Hidden
	}
	if !n.Quiet {
		n.Tell(err)
	}
}

// mostName is how long a name may be: that of a user of a pool has at most 128 characters
// of four bytes.
const mostName = 512

// Clip keeps what somebody sent in place of a name from filling logs.
func Clip(name string) string {
	if len(name) <= mostName {
		return name
	}
	return strings.ToValidUTF8(name[:mostName], "") + "..."
}
