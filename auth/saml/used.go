package saml

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crewjam/saml"

	"github.com/thinghub/thinghub/auth"
)

// The kinds of records: of assertions that were used, and of those that Finish has taken,
// by their requests.
const (
	kind       = "saml-assertion"
	answerKind = "saml-answer"
)

// sweepAfter is how often records are thrown away of assertions that are over.
const sweepAfter = 5 * time.Minute

// used keeps which assertions were used, and which have answered a request.
type used struct {
	dir auth.Directory

	mu    sync.Mutex
	swept time.Time
}

// by is used for one assertion of an issuer.
func (u *used) by(ctx context.Context, issuer string, now time.Time) saml.AssertionReplayCache {
	return once{ctx, u, issuer, now}
}

type once struct {
	ctx    context.Context // the library has no way to pass one, and this lives for one call
	used   *used
	issuer string
	now    time.Time
}

// Consume writes down that an assertion was used. It is kept until nobody accepts it any
// more.
func (o once) Consume(id string, expires time.Time) error {
	o.used.sweep(o.ctx, o.now)
	err := o.used.dir.Commit(o.ctx, auth.Change{Key: key(kind, o.issuer, id), Value: record(expires, "")})
	switch {
	case errors.Is(err, auth.ErrConflict):
		return saml.ErrAssertionReplayed
	case err != nil:
		return fmt.Errorf("%w: saml: write down an assertion: %w", auth.ErrUnavailable, err)
	}
	return nil
}

// take writes down which assertion has answered a request. It is kept as long as the
// assertion counts.
func (u *used) take(ctx context.Context, a *Assertion, now time.Time) error {
	u.sweep(ctx, now)
	err := u.dir.Commit(ctx, auth.Change{Key: key(answerKind, a.Issuer, a.InResponseTo), Value: record(a.Expires.Add(saml.MaxClockSkew), a.ID)})
	switch {
	case errors.Is(err, auth.ErrConflict):
		return refuse(errors.New("the request was answered before"))
	case err != nil:
		return fmt.Errorf("%w: saml: write down an answer: %w", auth.ErrUnavailable, err)
	}
	return nil
}

// answer returns the id of the assertion that has answered a request, "" if none has.
func (u *used) answer(ctx context.Context, issuer, request string) (id string, err error) {
	r, err := u.dir.Get(ctx, key(answerKind, issuer, request))
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("%w: saml: look for an answer: %w", auth.ErrUnavailable, err)
	}
	_, id, _ = strings.Cut(string(r.Value), " ")
	return id, nil
}

// key is that of a record. What the issuer has chosen may be of any length.
func key(kind, issuer, id string) string {
	sum := sha256.Sum256([]byte(issuer + "\x00" + id))
	return auth.Key(kind, hex.EncodeToString(sum[:]))
}

// record is when a record is over, and what it is about if the key does not say.
func record(expires time.Time, id string) []byte {
	text := strconv.FormatInt(expires.Unix()+1, 10)
	if id != "" {
		text += " " + id
	}
	return []byte(text)
}

// sweep throws away what is over, once in a while. Whatever fails is done the next time.
func (u *used) sweep(ctx context.Context, now time.Time) {
	u.mu.Lock()
	due := now.Sub(u.swept) >= sweepAfter
	if due {
		u.swept = now
	}
	u.mu.Unlock()
	if !due {
		return
	}
	for _, kind := range []string{kind, answerKind} {
		for r, err := range u.dir.Scan(ctx, auth.Prefix(kind), "") {
			if err != nil {
				return
			}
			until, _, _ := strings.Cut(string(r.Value), " ")
			if until, err := strconv.ParseInt(until, 10, 64); err == nil && now.Unix() > until {
				_ = u.dir.Commit(ctx, auth.Change{Key: r.Key, Was: r.Revision})
			}
		}
	}
}
