package provision

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// A certificate ownership token is the time when it expires, in seconds, and 32 random
// bytes. The directory has a hash of it, so that who reads the directory has no tokens;
// and the time in front of the hash, so that the expired ones are found without looking
// at the others. Whoever changes the time of a token has one that is not known.

// A tokenRecord is what the directory has of a token. Its id is its key.
type tokenRecord struct {
	// Certificate is empty as long as it is being made.
	Certificate string `json:"certificate,omitempty"`
	Principal   string `json:"principal"`
	// Taken says that a request works with the token. It stays so if the hub dies
	// meanwhile: were the token free again after some time, two requests could work with
	// one certificate, and the one that fails undo what the other does. The device then
	// has to ask for another certificate.
	Taken bool `json:"taken,omitempty"`
}

// A pendingRecord counts the tokens of a principal. It is changed together with them.
type pendingRecord struct {
	Count int `json:"count"`
}

const (
	secretBytes = 32
	tokenBytes  = 8 + secretBytes
)

// tokenKey is the id of a token's record.
func tokenKey(token []byte) []string {
	sum := sha256.Sum256(token)
	return []string{expiryKey(int64(binary.BigEndian.Uint64(token))), hex.EncodeToString(sum[:])}
}

// expiryKey orders times by their text.
func expiryKey(seconds int64) string { return fmt.Sprintf("%016x", seconds) }

// commitTries bounds how often a change that conflicts with others is tried.
const commitTries = 32

// commit makes the changes that prepare returns, which is called again if somebody else
// has changed the records meanwhile.
func (s *Service) commit(ctx context.Context, prepare func() ([]auth.Change, error)) error {
	for range commitTries {
		changes, err := prepare()
		if err != nil || len(changes) == 0 {
			return err
		}
		if err = s.cfg.Directory.Commit(ctx, changes...); err == nil {
			return nil
		} else if !errors.Is(err, auth.ErrConflict) {
			return fmt.Errorf("provision: directory: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return failf(ErrUpdateConflict, "too many requests change the same records at the moment")
}

// count is the change that adds to the tokens of a principal.
func (s *Service) count(ctx context.Context, principal string, add int) (auth.Change, error) {
	p, err := s.pending.Find(ctx, principal)
	if err != nil {
		return auth.Change{}, fmt.Errorf("provision: directory: %w", err)
	}
	p.Value.Count += add
	if add > 0 && over(p.Value.Count, s.limits.Pending) {
		return auth.Change{}, failf(ErrLimitExceeded, "%d certificates wait for their provisioning, at most %d are allowed for one principal", p.Value.Count-1, s.limits.Pending)
	}
	if p.Value.Count <= 0 {
		return s.pending.Delete(p.Revision, principal), nil
	}
	return s.pending.Put(p.Value, p.Revision, principal), nil
}

// reserve makes a token for a certificate that is to be made. Nobody has it yet.
func (s *Service) reserve(ctx context.Context, principal string) (token []byte, err error) {
	token = binary.BigEndian.AppendUint64(make([]byte, 0, tokenBytes), uint64(time.Now().Add(TokenLife).Unix()))
	token = token[:tokenBytes]
	_, _ = rand.Read(token[8:]) // never fails
	s.pendingMu.Lock()
	defer s.pendingMu.Unlock()
	err = s.commit(ctx, func() ([]auth.Change, error) {
		counted, err := s.count(ctx, principal, 1)
		if err != nil {
			return nil, err
		}
		return []auth.Change{counted, s.tokens.Put(tokenRecord{Principal: principal}, 0, tokenKey(token)...)}, nil
	})
	return token, err
}

// issue binds a reserved token to its certificate and returns it as text.
func (s *Service) issue(ctx context.Context, token []byte, principal, certificate string) (string, error) {
	id := tokenKey(token)
	err := s.commit(ctx, func() ([]auth.Change, error) {
		e, err := s.tokens.Get(ctx, id...)
		if err != nil {
			return nil, fmt.Errorf("provision: directory: %w", err)
		}
		return []auth.Change{s.tokens.Put(tokenRecord{Certificate: certificate, Principal: principal}, e.Revision, id...)}, nil
	})
	return base64.RawURLEncoding.EncodeToString(token), err
}

// drop deletes a token, if it is there, and uncounts it.
func (s *Service) drop(ctx context.Context, id []string) error {
	s.pendingMu.Lock()
	defer s.pendingMu.Unlock()
	return s.commit(ctx, func() ([]auth.Change, error) {
		e, err := s.tokens.Get(ctx, id...)
		if errors.Is(err, auth.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("provision: directory: %w", err)
		}
		counted, err := s.count(ctx, e.Value.Principal, -1)
		return []auth.Change{counted, s.tokens.Delete(e.Revision, id...)}, err
	})
}

// take takes a token: nobody else can until it is released. It returns the key of the
// token and the id of its certificate.
func (s *Service) take(ctx context.Context, token, principal string) (id []string, certificate string, err error) {
	if token == "" {
		return nil, "", &Error{Kind: ErrToken, Field: "certificateOwnershipToken", Want: "a token", Message: "certificateOwnershipToken is missing or empty"}
	}
	unknown := &Error{Kind: ErrToken, Field: "certificateOwnershipToken", Want: "a token of this principal", Message: "certificateOwnershipToken is not known, was used or has expired, or it is another principal's"}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != tokenBytes || base64.RawURLEncoding.EncodeToString(b) != token { // it passes over line ends
		return nil, "", unknown
	}
	id = tokenKey(b)
	if id[0] <= expiryKey(time.Now().Unix()) {
		return nil, "", unknown
	}
	e, err := s.tokens.Get(ctx, id...)
	if errors.Is(err, auth.ErrNotFound) {
		return nil, "", unknown
	}
	if err != nil {
		return nil, "", fmt.Errorf("provision: directory: %w", err)
	}
	if e.Value.Principal != principal || e.Value.Certificate == "" {
		return nil, "", unknown
	}
	taken := failf(ErrToken, "certificateOwnershipToken is being used by another request")
	if e.Value.Taken {
		return nil, "", taken
	}
	e.Value.Taken = true
	err = s.cfg.Directory.Commit(ctx, s.tokens.Put(e.Value, e.Revision, id...))
	if errors.Is(err, auth.ErrConflict) {
		return nil, "", taken
	}
	if err != nil {
		return nil, "", fmt.Errorf("provision: directory: %w", err)
	}
	return id, e.Value.Certificate, nil
}

// release gives a token back to whom it belongs, as good as it was.
func (s *Service) release(ctx context.Context, id []string) error {
	return s.commit(ctx, func() ([]auth.Change, error) {
		e, err := s.tokens.Get(ctx, id...)
		if errors.Is(err, auth.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("provision: directory: %w", err)
		}
		e.Value.Taken = false
		return []auth.Change{s.tokens.Put(e.Value, e.Revision, id...)}, nil
	})
}
