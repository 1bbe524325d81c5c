package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	natsgo "github.com/nats-io/nats.go"
)

// A watch knows what a server tells beside its answers: which subjects it did not let us
// publish to, and why there is no connection.
type watch struct {
	mu      sync.Mutex
	changed chan struct{} // closed when a refusal is added, or the connection lost
	refused []refusal     // the last ones
	count   int           // of all
	lost    error         // why there is no connection
}

// A refusal is an error of a server's about a subject.
type refusal struct {
	subject string
	err     error
	number  int
}

// mostRefusals is how many are remembered: those of the batches under way.
const mostRefusals = 4096

func newWatch() *watch { return &watch{changed: make(chan struct{})} }

// handle puts the watch before the host's handlers.
func (w *watch) handle(o *natsgo.Options) {
	theirError := o.AsyncErrorCB
	o.AsyncErrorCB = func(c *natsgo.Conn, s *natsgo.Subscription, err error) {
		w.refuse(err)
		if theirError != nil {
			theirError(c, s, err)
		}
	}
	theirEnd := o.DisconnectedErrCB
	o.DisconnectedErrCB = func(c *natsgo.Conn, err error) {
		w.lose(err)
		if theirEnd != nil {
			theirEnd(c, err)
		}
	}
	theirTry := o.ReconnectErrCB
	o.ReconnectErrCB = func(c *natsgo.Conn, err error) {
		w.lose(err)
		if theirTry != nil {
			theirTry(c, err)
		}
	}
}

// refuse notes an error about a subject: nats: permissions violation: Permissions Violation
// for Publish to "subject".
func (w *watch) refuse(err error) {
	if !errors.Is(err, natsgo.ErrPermissionViolation) {
		return
	}
	_, rest, _ := strings.Cut(err.Error(), `Publish to "`)
	subject, _, _ := strings.Cut(rest, `"`)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.refused) == mostRefusals {
		w.refused = append(w.refused[:0], w.refused[mostRefusals/2:]...)
	}
	w.count++
	w.refused = append(w.refused, refusal{subject, err, w.count})
	w.tell()
}

// tell wakes those that wait. It is called with w.mu.
func (w *watch) tell() {
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *watch) lose(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.lost = err
	}
	w.tell()
}

// down is the error of a call without a connection.
func (w *watch) down() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost != nil {
		return fmt.Errorf("%w: %w", natsgo.ErrDisconnected, w.lost)
	}
	return natsgo.ErrDisconnected
}

// mark is where the refusals begin that are about what is published from now on.
func (w *watch) mark() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

// since returns the refusals of subjects since a mark, and a channel that is closed when
// there are more.
func (w *watch) since(mark int) (refused map[string]error, changed <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.refused) - 1; i >= 0 && w.refused[i].number > mark; i-- {
		if refused == nil {
			refused = map[string]error{}
		}
		refused[w.refused[i].subject] = w.refused[i].err
	}
	return refused, w.changed
}

// caughtUp waits until the watch has been told of an error that the connection knows of,
// and so of those before it.
func (w *watch) caughtUp(ctx context.Context, last error) error {
	if !errors.Is(last, natsgo.ErrPermissionViolation) {
		return nil
	}
	for {
		w.mu.Lock()
		known := slices.ContainsFunc(w.refused, func(r refusal) bool { return r.err == last }) //nolint:errorlint // the same error, not one like it
		changed := w.changed
		w.mu.Unlock()
		if known {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
