package certs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/thinghub/thinghub/auth"
)

// GetRegistrationCode returns the code that verification certificates must have for
// their common name: 64 hex digits that stay the same until they are deleted. It is made
// when there is none.
func (s *Service) GetRegistrationCode(ctx context.Context) (string, error) {
	for range tries {
		e, err := s.codes.Find(ctx, s.tenant)
		if err != nil {
			return "", fmt.Errorf("certs: read the registration code: %w", err)
		}
		if e.Revision != 0 {
			return e.Value, nil
		}
		var b [32]byte
		_, _ = rand.Read(b[:]) // never fails
		code := hex.EncodeToString(b[:])
		err = s.cfg.Directory.Commit(ctx, s.codes.Put(code, 0, s.tenant))
		if err == nil {
			return code, nil
		}
		if !errors.Is(err, auth.ErrConflict) {
			return "", fmt.Errorf("certs: store a registration code: %w", err)
		}
	}
	return "", tooBusy("registration code of", s.tenant)
}

// DeleteRegistrationCode deletes the code; verification certificates made for it are
// worth nothing from then on.
//
// Errors: ErrNotFound.
func (s *Service) DeleteRegistrationCode(ctx context.Context) error {
	e, err := s.codes.Find(ctx, s.tenant)
	if err == nil && e.Revision == 0 {
		return failed(ErrNotFound, "There is no registration code")
	}
	if err == nil {
		err = s.cfg.Directory.Commit(ctx, s.codes.Delete(auth.Any, s.tenant))
	}
	if err != nil {
		return fmt.Errorf("certs: delete the registration code: %w", err)
	}
	return nil
}
