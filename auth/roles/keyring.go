package roles

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
)

// A sealKey seals tokens. Its id is the day since which it is used.
type sealKey struct {
	Secret []byte // 32 bytes
}

// keyring is the keys that seal tokens, one for each day.
type keyring struct {
	dir   auth.Directory
	now   func() time.Time
	table records.Table[sealKey]

	mu    sync.Mutex
	known map[string]*derived
}

// A derived key is what a sealKey is used for.
type derived struct {
	seal   cipher.AEAD
	secret []byte // from which secrets are made
}

// keptFor is how long after its day a key is kept: no token lives longer.
const keptFor = LongestDuration + time.Hour

func newKeyring(cfg *Config) *keyring {
	return &keyring{dir: cfg.Directory, now: cfg.Now, table: records.NewTable[sealKey](cfg.Directory, "seal-key"), known: map[string]*derived{}}
}

const dayForm = "20060102"

// today returns the key that seals now, and its id.
func (k *keyring) today(ctx context.Context) (string, *derived, error) {
	day := k.now().UTC().Format(dayForm)
	for {
		d, err := k.of(ctx, day)
		if err == nil || !errors.Is(err, auth.ErrNotFound) {
			return day, d, err
		}
		secret := make([]byte, 32)
		_, _ = rand.Read(secret)
		if err := k.dir.Commit(ctx, k.table.Put(sealKey{secret}, 0, day)); err != nil && !errors.Is(err, auth.ErrConflict) {
			return "", nil, fmt.Errorf("roles: make a key for tokens: %w", err)
		}
		k.sweep(ctx)
	}
}

// of returns the key of a day.
func (k *keyring) of(ctx context.Context, day string) (*derived, error) {
	k.mu.Lock()
	d := k.known[day]
	k.mu.Unlock()
	if d != nil {
		return d, nil
	}
	e, err := k.table.Get(ctx, day)
	if err != nil {
		return nil, fmt.Errorf("roles: key for tokens of %s: %w", day, err)
	}
	if d, err = derive(e.Value.Secret); err != nil {
		return nil, err
	}
	k.mu.Lock()
	k.known[day] = d
	k.mu.Unlock()
	return d, nil
}

func derive(secret []byte) (*derived, error) {
	part := func(use string) ([]byte, error) { return hkdf.Key(sha256.New, secret, nil, "thinghub "+use, 32) }
	sealing, err := part("token")
	if err != nil {
		return nil, fmt.Errorf("roles: key for tokens: %w", err)
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return nil, fmt.Errorf("roles: key for tokens: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("roles: key for tokens: %w", err)
	}
	keys, err := part("secret")
	if err != nil {
		return nil, fmt.Errorf("roles: key for secrets: %w", err)
	}
	return &derived{aead, keys}, nil
}

// sweep deletes keys that no living token can be sealed with. What it cannot delete it
// will the next day.
func (k *keyring) sweep(ctx context.Context) {
	oldest := k.now().UTC().Add(-24*time.Hour - keptFor).Format(dayForm)
	for e, err := range k.table.List(ctx, nil, nil) {
		if err != nil || e.ID[0] >= oldest {
			return
		}
		_ = k.dir.Commit(ctx, k.table.Delete(e.Revision, e.ID...))
		k.mu.Lock()
		delete(k.known, e.ID[0])
		k.mu.Unlock()
	}
}

var base32Upper = base32.StdEncoding.WithPadding(base32.NoPadding)

// newID returns the id of a temporary access key.
func newID() string {
	var b [10]byte
	_, _ = rand.Read(b[:])
	return "ASIA" + base32Upper.EncodeToString(b[:])
}
