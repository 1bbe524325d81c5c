package signing

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
)

// Config configures a [Ring].
type Config struct {
	// Directory keeps the keys. Who can read it can sign.
	Directory auth.Directory
	// Kind is the kind of the records, one for each ring of a directory.
	Kind string
	// Issuer is the iss of all tokens.
	Issuer string
	// Every is how long a key signs, and Keep how long after that it is known: no token
	// lives longer.
	Every, Keep time.Duration
	// Now is the clock.
	Now func() time.Time
}

// A Ring is the keys of one issuer. Its methods may be called concurrently.
type Ring struct {
	cfg   Config
	table records.Table[keyRecord]

	mu    sync.Mutex
	known map[string]*key // by period
	make  sync.Mutex      // held by who makes a key, which takes long
}

type keyRecord struct {
	ID      string // of the key, in tokens
	Private []byte // PKCS #8
}

type key struct {
	id     string
	signer jose.Signer
	public jose.JSONWebKey
}

// New returns a Ring.
func New(cfg Config) *Ring {
	return &Ring{cfg: cfg, table: records.NewTable[keyRecord](cfg.Directory, cfg.Kind), known: map[string]*key{}}
}

// period numbers the time in which a key signs. All numbers have as many digits.
func (r *Ring) period(t time.Time) string {
	return fmt.Sprintf("%08d", t.Unix()/int64(r.cfg.Every/time.Second))
}

// current returns the key that signs now.
func (r *Ring) current(ctx context.Context) (*key, error) {
	p := r.period(r.cfg.Now())
	if k, err := r.of(ctx, p); !errors.Is(err, auth.ErrNotFound) {
		return k, err
	}
	r.make.Lock()
	defer r.make.Unlock()
	if k, err := r.of(ctx, p); !errors.Is(err, auth.ErrNotFound) { // somebody was faster
		return k, err
	}
	made, err := newKey(p)
	if err != nil {
		return nil, err
	}
	if err := r.cfg.Directory.Commit(ctx, r.table.Put(made, 0, p)); err != nil && !errors.Is(err, auth.ErrConflict) {
		return nil, fmt.Errorf("keep a key for tokens: %w", err)
	}
	r.sweep(ctx)
	return r.of(ctx, p)
}

const keyBits = 2048

func newKey(period string) (keyRecord, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return keyRecord{}, fmt.Errorf("make a key for tokens: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return keyRecord{}, fmt.Errorf("make a key for tokens: %w", err)
	}
	var b [8]byte
	_, _ = rand.Read(b[:])
	return keyRecord{ID: period + "." + hex.EncodeToString(b[:]), Private: der}, nil
}

// of returns the key of a period. The error wraps auth.ErrNotFound if there is none.
func (r *Ring) of(ctx context.Context, period string) (*key, error) {
	r.mu.Lock()
	k := r.known[period]
	r.mu.Unlock()
	if k != nil {
		return k, nil
	}
	e, err := r.table.Get(ctx, period)
	if err != nil {
		return nil, fmt.Errorf("key for tokens: %w", err)
	}
	if k, err = parse(e.Value); err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.known[period] = k
	r.mu.Unlock()
	return k, nil
}

func parse(in keyRecord) (*key, error) {
	any, err := x509.ParsePKCS8PrivateKey(in.Private)
	if err != nil {
		return nil, fmt.Errorf("key for tokens: %w", err)
	}
	private, ok := any.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("key for tokens: it is a %T, expected RSA", any)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: private, KeyID: in.ID}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("key for tokens: %w", err)
	}
	return &key{in.ID, signer, jose.JSONWebKey{Key: &private.PublicKey, KeyID: in.ID, Algorithm: string(jose.RS256), Use: "sig"}}, nil
}

// sweep deletes keys that no living token is signed with. What it cannot delete it will
// the next time.
func (r *Ring) sweep(ctx context.Context) {
	oldest := r.period(r.cfg.Now().Add(-r.cfg.Keep)) // which has signed what ends about now
	for e, err := range r.table.List(ctx, nil, nil) {
		if err != nil || e.ID[0] >= oldest {
			return
		}
		_ = r.cfg.Directory.Commit(ctx, r.table.Delete(e.Revision, e.ID...))
		r.mu.Lock()
		delete(r.known, e.ID[0])
		r.mu.Unlock()
	}
}

// named returns the key of an id that came with a token.
func (r *Ring) named(ctx context.Context, id string) (*key, error) {
	period, _, found := strings.Cut(id, ".")
	if n, err := strconv.ParseUint(period, 10, 32); !found || err != nil || fmt.Sprintf("%08d", n) != period {
		return nil, auth.ErrNotFound
	}
	k, err := r.of(ctx, period)
	if err == nil && k.id != id {
		return nil, auth.ErrNotFound
	}
	return k, err
}

// Keys returns the public keys of tokens that may be out, the one that signs now among
// them.
func (r *Ring) Keys(ctx context.Context) (jose.JSONWebKeySet, error) {
	if _, err := r.current(ctx); err != nil {
		return jose.JSONWebKeySet{}, err
	}
	var all jose.JSONWebKeySet
	for e, err := range r.table.List(ctx, nil, nil) {
		if err != nil {
			return jose.JSONWebKeySet{}, fmt.Errorf("keys for tokens: %w", err)
		}
		k, err := r.of(ctx, e.ID[0])
		if err != nil {
			return jose.JSONWebKeySet{}, err
		}
		all.Keys = append(all.Keys, k.public)
	}
	return all, nil
}
