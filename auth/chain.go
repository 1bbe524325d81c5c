package auth

import (
	"context"
	"errors"
)

// Chain returns an Authenticator that asks others in order. The first one that
// recognises the credentials decides: its refusal or failure is final, and nobody after
// it is asked. Whoever has a certificate that is revoked does not come in with a
// password.
//
// An authenticator does not recognise credentials if its error wraps [ErrUnrecognised];
// one that is no [Exchanger], or whose Exchange returns [ErrBadMethod], does not
// recognise an authentication method. If none does, the error is ErrUnrecognised, or
// ErrBadMethod.
func Chain(list ...Authenticator) Exchanger { return chain(list) }

type chain []Authenticator

func (c chain) Authenticate(ctx context.Context, creds *Credentials) (*Identity, error) {
	for _, a := range c {
		id, err := a.Authenticate(ctx, creds)
		if !errors.Is(err, ErrUnrecognised) {
			return id, err
		}
	}
	return nil, ErrUnrecognised
}

func (c chain) Exchange(ctx context.Context, creds *Credentials) (Exchange, error) {
	for _, a := range c {
		x, ok := a.(Exchanger)
		if !ok {
			continue
		}
		e, err := x.Exchange(ctx, creds)
		if !errors.Is(err, ErrBadMethod) {
			return e, err
		}
	}
	return nil, ErrBadMethod
}

// Immediate reports whether none of them waits.
func (c chain) Immediate() bool {
	for _, a := range c {
		if i, ok := a.(Immediate); !ok || !i.Immediate() {
			return false
		}
	}
	return true
}
