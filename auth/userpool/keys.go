package userpool

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
)

// A keyRecord is a key of a pool. Its id is a number that counts up, so that of several
// hubs only one makes the next.
type keyRecord struct {
	Private []byte    `json:"private"` // RSA, PKCS #8
	Seal    []byte    `json:"seal"`    // for sessions
	Created time.Time `json:"created"`
	From    time.Time `json:"from"` // signs since
}

// A key is one in use.
type key struct {
	keyRecord
	id       string // of the record
	number   int
	kid      string
	private  *rsa.PrivateKey
	signer   jose.Signer
	seal     cipher.AEAD
	revision int64
}

// keyring is the keys of all pools.
type keyring struct {
	cfg   *Config
	table records.Table[keyRecord] // pool, number
	make  func() (*rsa.PrivateKey, error)

	making sync.Mutex // held while a key is made

	mu    sync.Mutex
	pools map[string]*poolKeys
}

// poolKeys are the keys of a pool, the oldest first. They are not modified.
type poolKeys struct {
	list []*key
	read time.Time
}

const (
	// keysFresh is after which time keys that others may have made are looked for.
	keysFresh = time.Minute
	keyBits   = 2048
	// keyKept is how long after its time a key is kept: no token lives longer.
	keyKept = 25 * time.Hour
)

func newKeyring(cfg *Config) *keyring {
	return &keyring{
		cfg: cfg, table: records.NewTable[keyRecord](cfg.Directory, "userpool-key"), pools: map[string]*poolKeys{},
		make: func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, keyBits) },
	}
}

func (k *keyring) forget(pool string) {
	k.mu.Lock()
	delete(k.pools, pool)
	k.mu.Unlock()
}

// of returns the keys of a pool as they are known here.
func (k *keyring) of(ctx context.Context, pool string, atLeast time.Time) (*poolKeys, error) {
	k.mu.Lock()
	known := k.pools[pool]
	k.mu.Unlock()
	if known != nil && !known.read.Before(atLeast) {
		return known, nil
	}
	fresh := &poolKeys{read: k.cfg.Now()}
	for e, err := range k.table.List(ctx, []string{pool}, nil) {
		if err != nil {
			return nil, fmt.Errorf("userpool: read keys of %s: %w", pool, err)
		}
		var use *key
		if known != nil {
			for _, old := range known.list {
				if old.id == e.ID[1] && old.revision == e.Revision {
					use = old
				}
			}
		}
		if use == nil {
			if use, err = open(e); err != nil {
				return nil, fmt.Errorf("userpool: a key of %s: %w", pool, err)
			}
		}
		fresh.list = append(fresh.list, use)
	}
	if len(fresh.list) == 0 {
		k.forget(pool) // what strangers ask for is not remembered
		return fresh, nil
	}
	k.mu.Lock()
	k.pools[pool] = fresh
	k.mu.Unlock()
	return fresh, nil
}

// open makes a key of its record.
func open(e records.Entry[keyRecord]) (*key, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(e.Value.Private)
	if err != nil {
		return nil, err
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("it is a %T, expected RSA", parsed)
	}
	number, err := strconv.Atoi(e.ID[1])
	if err != nil {
		return nil, err
	}
	u := &key{keyRecord: e.Value, id: e.ID[1], number: number, private: private, revision: e.Revision}
	print, err := (&jose.JSONWebKey{Key: private.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	u.kid = base64.RawURLEncoding.EncodeToString(print)
	u.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: private, KeyID: u.kid}}, nil)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(e.Value.Seal)
	if err != nil {
		return nil, err
	}
	u.seal, err = cipher.NewGCMWithRandomNonce(block)
	return u, err
}

// lead is how long a key is published before it signs, so that who keeps a copy of the
// list has it by then.
func (k *keyring) lead() time.Duration { return min(24*time.Hour, k.cfg.KeyLife/2) }

// signing returns the key that signs now. It makes the first one and, in time, the next.
func (k *keyring) signing(ctx context.Context, pool string) (*key, error) {
	for range tries {
		now := k.cfg.Now()
		keys, err := k.of(ctx, pool, now.Add(-keysFresh))
		if err != nil {
			return nil, err
		}
		var current, last *key
		for _, u := range keys.list {
			if last = u; !now.Before(u.From) {
				current = u
			}
		}
		if current == nil && last != nil {
			current = last // somebody's clock goes wrong; any key will do
		}
		if last == nil || now.Sub(last.From) >= k.cfg.KeyLife-k.lead() {
			err := k.add(ctx, pool, last)
			if current != nil && err != nil {
				k.cfg.Logger.Warn("userpool: the next key could not be made", "pool", pool, "err", err)
				return current, nil
			}
			if err != nil {
				return nil, err
			}
			continue
		}
		return current, nil
	}
	return nil, fmt.Errorf("userpool: no key of %s: %w", pool, auth.ErrConflict)
}

// add makes the key behind last, unless another hub has, and deletes those that no
// living token is signed with.
func (k *keyring) add(ctx context.Context, pool string, last *key) error {
	k.making.Lock()
	defer k.making.Unlock()
	keys, err := k.of(ctx, pool, k.cfg.Now().Add(time.Nanosecond))
	if err != nil {
		return err
	}
	if n := len(keys.list); n > 0 && (last == nil || keys.list[n-1].number > last.number) {
		return nil // somebody else was faster
	}
	private, err := k.make()
	if err != nil {
		return fmt.Errorf("userpool: make a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fmt.Errorf("userpool: make a key: %w", err)
	}
	now, number := k.cfg.Now().UTC(), 1
	r := keyRecord{Private: der, Seal: make([]byte, 32), Created: now, From: now}
	_, _ = rand.Read(r.Seal)
	if last != nil {
		number, r.From = last.number+1, now.Add(k.lead())
	}
	err = k.cfg.Directory.Commit(ctx, k.table.Put(r, 0, pool, fmt.Sprintf("%010d", number)))
	if err != nil && !errors.Is(err, auth.ErrConflict) {
		return fmt.Errorf("userpool: keep a key of %s: %w", pool, err)
	}
	if keys, err = k.of(ctx, pool, now.Add(time.Nanosecond)); err != nil {
		return err
	}
	for i, old := range keys.list {
		// It has signed until the one behind it began.
		if i+1 < len(keys.list) && now.Sub(keys.list[i+1].From) > keyKept {
			_ = k.cfg.Directory.Commit(ctx, k.table.Delete(old.revision, pool, old.id))
		}
	}
	k.forget(pool)
	return nil
}

// byKid returns a key by the kid of a token, nil if there is none.
func (k *keyring) byKid(ctx context.Context, pool, kid string) (*key, error) {
	return k.look(ctx, pool, func(u *key) bool { return u.kid == kid })
}

// byNumber returns a key by its number, nil if there is none.
func (k *keyring) byNumber(ctx context.Context, pool string, number int) (*key, error) {
	return k.look(ctx, pool, func(u *key) bool { return u.number == number })
}

// look finds a key among those that are known, or else among those of the directory,
// where it looks once a second at the most.
func (k *keyring) look(ctx context.Context, pool string, is func(u *key) bool) (*key, error) {
	now := k.cfg.Now()
	for _, atLeast := range []time.Time{now.Add(-time.Hour), now.Add(-time.Second)} {
		keys, err := k.of(ctx, pool, atLeast)
		if err != nil {
			return nil, err
		}
		for _, u := range keys.list {
			if is(u) {
				return u, nil
			}
		}
	}
	return nil, nil
}

// public is the list of keys that tokens of a pool are proved with.
func (k *keyring) public(ctx context.Context, pool string) (set jose.JSONWebKeySet, err error) {
	if _, err := k.signing(ctx, pool); err != nil { // there is one
		return set, err
	}
	keys, err := k.of(ctx, pool, k.cfg.Now().Add(-keysFresh))
	if err != nil {
		return set, err
	}
	for _, u := range keys.list {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: u.private.Public(), KeyID: u.kid, Algorithm: string(jose.RS256), Use: "sig"})
	}
	return set, nil
}
