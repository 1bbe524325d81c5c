package nats

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/thinghub/thinghub/actions"
)

// Codes of JetStream's errors.
const (
	codeOtherStream  = 10060 // expected stream does not match
	codeNotEnabled   = 10076 // JetStream, in the server
	codeNotEnabledIn = 10039 // and in the account
)

// judge marks an error for good if trying again cannot help. chosen says that the event
// chose the subject: then it is the event's fault that the subject is nobody's; otherwise
// an administrator can mend that.
func judge(err error, chosen bool) error {
	if err == nil {
		return nil
	}
	wrapped := fmt.Errorf("nats: %w", trimmed(err))
	var api *jetstream.APIError
	switch {
	case errors.Is(err, actions.ErrPermanent):
		return err
	case errors.Is(err, natsgo.ErrMaxPayload), errors.Is(err, natsgo.ErrBadSubject), errors.Is(err, natsgo.ErrBadHeaderMsg):
		return actions.Permanent(wrapped)
	case errors.Is(err, natsgo.ErrPermissionViolation):
		if chosen {
			return actions.Permanent(wrapped)
		}
		return actions.SinkWorks(wrapped)
	case errors.As(err, &api):
		switch {
		case api.ErrorCode == codeOtherStream && !chosen:
			return actions.SinkWorks(wrapped)
		case api.ErrorCode == codeNotEnabled, api.ErrorCode == codeNotEnabledIn:
		case api.Code == http.StatusRequestTimeout, api.Code == http.StatusTooManyRequests:
		case api.Code/100 == 4:
			return actions.Permanent(wrapped)
		}
	}
	return wrapped
}

// trimmed lets an error say what it says without the "nats: " that many begin with.
func trimmed(err error) error { return &plain{err} }

type plain struct{ err error }

func (p *plain) Error() string {
	const prefix = "nats: "
	s := p.err.Error()
	for len(s) > len(prefix) && s[:len(prefix)] == prefix {
		s = s[len(prefix):]
	}
	return s
}

func (p *plain) Unwrap() error { return p.err }

// nobody judges that no stream has answered: none takes the subject, or the one that does
// has no leader, or JetStream is down. Only the first can be the event's fault, and for
// good, which JetStream can tell.
func (c *Client) nobody(ctx context.Context, a *Action, subject string, err error) error {
	if !a.chosen() {
		return judge(err, false)
	}
	if a.Stream == "" {
		if _, found := c.js.StreamNameBySubject(ctx, subject); errors.Is(found, jetstream.ErrStreamNotFound) {
			return actions.Permanent(fmt.Errorf("nats: no stream takes the subject %s", actions.Shown(subject)))
		}
		return judge(err, true)
	}
	s, found := c.js.Stream(ctx, a.Stream)
	if found != nil { // the rule's fault, or nobody's
		err = fmt.Errorf("nats: %w: stream %s: %w", trimmed(err), a.Stream, trimmed(found))
		if errors.Is(found, jetstream.ErrStreamNotFound) {
			return actions.SinkWorks(err)
		}
		return err
	}
	if !slices.ContainsFunc(s.CachedInfo().Config.Subjects, func(f string) bool { return covers(f, subject) }) {
		return actions.Permanent(fmt.Errorf("nats: the stream %s does not take the subject %s", a.Stream, actions.Shown(subject)))
	}
	return judge(err, true)
}
