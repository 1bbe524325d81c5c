package rules

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/thinghub/thinghub/actions"
)

// A Destination is a web service that agreed to get messages: it was sent a token, and
// the token came back. Actions of the kind "http" reach only destinations that are
// enabled, unless [WebConfig].AllowUnconfirmed.
type Destination struct {
	// ARN is its resource name.
	ARN string
	// URL is what was confirmed, and what the URLs of actions begin with.
	URL    string
	Status DestinationStatus
	// Reason says why Status is DestinationError.
	Reason string
	// Created and Updated are when it was created and last changed.
	Created, Updated time.Time
}

// DestinationStatus is where a destination stands.
type DestinationStatus string

// The states of destinations.
const (
	// DestinationInProgress: the token was sent or is about to be.
	DestinationInProgress DestinationStatus = "IN_PROGRESS"
	// DestinationEnabled: confirmed, and gets messages.
	DestinationEnabled DestinationStatus = "ENABLED"
	// DestinationDisabled: confirmed, and gets no messages.
	DestinationDisabled DestinationStatus = "DISABLED"
	// DestinationError: the token could not be delivered, or did not come back in time.
	DestinationError DestinationStatus = "ERROR"
)

// storedDestination is what the store keeps of a destination.
type storedDestination struct {
	ARN        string            `json:"arn"`
	URL        string            `json:"url"`
	Status     DestinationStatus `json:"status"`
	Reason     string            `json:"reason,omitempty"`
	Created    time.Time         `json:"created"`
	Updated    time.Time         `json:"updated"`
	Challenged time.Time         `json:"challenged"`
	Token      string            `json:"token"` // the SHA-256 of it in hex
}

// destinations are those of a service.
type destinations struct {
	mu      sync.RWMutex // held for writing as long as the store takes
	byARN   map[string]*storedDestination
	byURL   map[string]*storedDestination
	saved   map[string]int64 // revisions in the store
	written chan struct{}    // of capacity 1: held by who changes something
}

func (s *Service) loadDestinations(ctx context.Context) error {
	d := &s.places
	d.byARN, d.byURL, d.saved = map[string]*storedDestination{}, map[string]*storedDestination{}, map[string]int64{}
	d.written = make(chan struct{}, 1)
	for rec, err := range s.cfg.Store.All(ctx, DestinationRecord) {
		if err != nil {
			return fmt.Errorf("rules: read the destinations: %w", err)
		}
		var stored storedDestination
		if err := json.Unmarshal(rec.Document, &stored); err != nil {
			return fmt.Errorf("rules: the record of destination %s is damaged: %w", rec.Name, err)
		}
		d.byARN[stored.ARN], d.byURL[stored.URL], d.saved[stored.ARN] = &stored, &stored, rec.Revision
	}
	return nil
}

// public is what others see: a destination that was not confirmed in time has failed.
func (s *Service) public(d *storedDestination) Destination {
	p := Destination{ARN: d.ARN, URL: d.URL, Status: d.Status, Reason: d.Reason, Created: d.Created, Updated: d.Updated}
	if s.late(d) {
		p.Status, p.Reason = DestinationError, "it was not confirmed in time"
	}
	return p
}

func (s *Service) late(d *storedDestination) bool {
	return d.Status == DestinationInProgress && time.Since(d.Challenged) > s.cfg.Web.ConfirmWithin
}

// destinationEnabled returns nil if messages may go to what was confirmed under a URL.
func (s *Service) destinationEnabled(url string) error {
	s.places.mu.RLock()
	defer s.places.mu.RUnlock()
	d := s.places.byURL[url]
	switch {
	case d == nil:
		return fmt.Errorf("there is no destination for %s", url)
	case d.Status != DestinationEnabled:
		return fmt.Errorf("the destination for %s is %s, expected %s", url, s.public(d).Status, DestinationEnabled)
	}
	return nil
}

// CreateDestination makes a destination and sends its token to the URL as soon as the
// service runs: a POST with the JSON object {"arn", "confirmationToken", "enableUrl",
// "messageType": "DestinationConfirmation"}, the header x-amz-rules-engine-message-type:
// DestinationConfirmation, and the token in the query. The service fetches enableUrl or
// gives the token to [Service.ConfirmDestination].
//
// A rule with an action of the kind "http" does this by itself for a URL without
// templates. Errors are an [Error]: ErrInvalid, ErrExists. Or what the store said.
func (s *Service) CreateDestination(ctx context.Context, url string) (Destination, error) {
	if err := s.checkDestination(url); err != nil {
		return Destination{}, err
	}
	unlock, err := s.lockPlaces(ctx)
	if err != nil {
		return Destination{}, err
	}
	defer unlock()
	if d := s.places.byURL[url]; d != nil {
		return Destination{}, &Error{Kind: ErrExists, Message: fmt.Sprintf("there is a destination for %s already: %s", url, d.ARN)}
	}
	now := time.Now()
	d := storedDestination{ARN: s.cfg.Scope.IoT("ruledestination/http/" + newID()), URL: url, Created: now}
	return s.challenge(ctx, d)
}

func (s *Service) checkDestination(url string) error {
	if err := (actions.HTTP{URL: url}).Check(); err != nil {
		return &Error{Kind: ErrInvalid, Field: "confirmationUrl", Message: "confirmationUrl: " + err.Error(), Err: err}
	}
	if !s.cfg.Web.AllowPlain && !strings.HasPrefix(url, "https://") {
		return invalid("confirmationUrl", "is %q, expected a URL that begins with https://", url)
	}
	return nil
}

// lockPlaces lets one change of destinations happen at a time.
func (s *Service) lockPlaces(ctx context.Context) (unlock func(), err error) {
	select {
	case s.places.written <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s.closed.Load() {
		<-s.places.written
		return nil, ErrClosed
	}
	return func() { <-s.places.written }, nil
}

// savePlace stores a destination and makes it what everybody sees. The caller holds the
// lock of lockPlaces.
func (s *Service) savePlace(ctx context.Context, d storedDestination) error {
	document, err := marshal(d)
	if err != nil {
		return err
	}
	revision := s.places.saved[d.ARN] + 1
	if err := s.cfg.Store.Save(ctx, DestinationRecord, Record{Name: d.ARN, Revision: revision, Document: document}); err != nil {
		return storeError("write destination "+d.ARN, err)
	}
	s.places.mu.Lock()
	defer s.places.mu.Unlock()
	s.places.byARN[d.ARN], s.places.byURL[d.URL], s.places.saved[d.ARN] = &d, &d, revision
	return nil
}

// challenge gives a destination a new token and sends it.
func (s *Service) challenge(ctx context.Context, d storedDestination) (Destination, error) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	token := base64.RawURLEncoding.EncodeToString(secret[:])
	d.Status, d.Reason, d.Token = DestinationInProgress, "", hashed(token)
	d.Challenged = time.Now()
	d.Updated = d.Challenged
	if err := s.savePlace(ctx, d); err != nil {
		return Destination{}, err
	}
	c := &confirmation{s: s, arn: d.ARN, url: d.URL, token: token}
	s.crew.once(c.send)
	return s.public(&d), nil
}

func hashed(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// GetDestination returns a destination, or ErrNotFound.
func (s *Service) GetDestination(ctx context.Context, arn string) (Destination, error) {
	if err := ctx.Err(); err != nil {
		return Destination{}, err
	}
	s.places.mu.RLock()
	defer s.places.mu.RUnlock()
	d := s.places.byARN[arn]
	if d == nil {
		return Destination{}, notFound("destination", arn)
	}
	return s.public(d), nil
}

// Destinations yields the destinations as they were when it began, by their ARNs.
func (s *Service) Destinations(ctx context.Context) iter.Seq2[Destination, error] {
	return func(yield func(Destination, error) bool) {
		s.places.mu.RLock()
		list := make([]Destination, 0, len(s.places.byARN))
		for _, arn := range slices.Sorted(maps.Keys(s.places.byARN)) {
			list = append(list, s.public(s.places.byARN[arn]))
		}
		s.places.mu.RUnlock()
		for _, d := range list {
			if err := ctx.Err(); err != nil {
				yield(Destination{}, err)
				return
			}
			if !yield(d, nil) {
				return
			}
		}
	}
}

// UpdateDestination changes the status of a destination: DestinationEnabled and
// DestinationDisabled for one that was confirmed, DestinationInProgress to send a new
// token; the old one, and what was confirmed with it, is void then. Errors are an
// [Error]: ErrNotFound, ErrInvalid. Or what the store said.
func (s *Service) UpdateDestination(ctx context.Context, arn string, status DestinationStatus) (Destination, error) {
	unlock, err := s.lockPlaces(ctx)
	if err != nil {
		return Destination{}, err
	}
	defer unlock()
	was := s.places.byARN[arn]
	if was == nil {
		return Destination{}, notFound("destination", arn)
	}
	d := *was
	switch status {
	case DestinationInProgress:
		return s.challenge(ctx, d)
	case DestinationEnabled, DestinationDisabled:
		if d.Status != DestinationEnabled && d.Status != DestinationDisabled {
			return Destination{}, invalid("status", "cannot become %s: the destination is %s, it must be confirmed first", status, s.public(was).Status)
		}
		if d.Status != status {
			d.Status, d.Updated = status, time.Now()
			err = s.savePlace(ctx, d)
		}
		return s.public(&d), err
	case DestinationError:
	}
	return Destination{}, invalid("status", "is %q, expected %s, %s or %s", string(status), DestinationEnabled, DestinationDisabled, DestinationInProgress)
}

// DeleteDestination removes a destination, or returns ErrNotFound.
func (s *Service) DeleteDestination(ctx context.Context, arn string) error {
	unlock, err := s.lockPlaces(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	d := s.places.byARN[arn]
	if d == nil {
		return notFound("destination", arn)
	}
	if err := s.cfg.Store.Delete(ctx, DestinationRecord, arn, s.places.saved[arn]); err != nil && !errors.Is(err, ErrNotFound) {
		return storeError("delete destination "+arn, err)
	}
	s.places.mu.Lock()
	defer s.places.mu.Unlock()
	delete(s.places.byARN, arn)
	delete(s.places.byURL, d.URL)
	delete(s.places.saved, arn)
	return nil
}

// ConfirmDestination enables the destination that was sent a token. A token can be used
// once, and within the time that [WebConfig] says; otherwise the error is ErrInvalid.
func (s *Service) ConfirmDestination(ctx context.Context, token string) (Destination, error) {
	unlock, err := s.lockPlaces(ctx)
	if err != nil {
		return Destination{}, err
	}
	defer unlock()
	hash := hashed(token)
	for _, was := range s.places.byARN {
		if was.Token != hash || was.Status != DestinationInProgress {
			continue
		}
		if s.late(was) {
			return Destination{}, &Error{Kind: ErrInvalid, Field: "confirmationToken", Message: "the confirmation token has expired; set the status of the destination to IN_PROGRESS to send a new one"}
		}
		d := *was
		d.Status, d.Token, d.Updated = DestinationEnabled, "", time.Now()
		return s.public(&d), s.savePlace(ctx, d)
	}
	return Destination{}, &Error{Kind: ErrInvalid, Field: "confirmationToken", Message: "the confirmation token is not known, or was used already"}
}

// destined is an action that sends to a destination, empty if templates decide which.
type destined interface{ Destination() string }

// needDestinations makes the destinations that a rule's actions need and are not there.
func (s *Service) needDestinations(ctx context.Context, r *Rule) {
	if s.cfg.Web.AllowUnconfirmed {
		return
	}
	for _, a := range append(slices.Clone(r.Actions), r.ErrorAction) {
		d, ok := a.(destined)
		if !ok || d.Destination() == "" {
			continue
		}
		if _, err := s.CreateDestination(ctx, d.Destination()); err != nil && !errors.Is(err, ErrExists) {
			s.cfg.Logger.Warn("rules: a destination was not made", "rule", r.Name, "err", err)
		}
	}
}
