package sigv4

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
	"github.com/thinghub/thinghub/internal/arn"
)

// An AccessKey is what is told of a key of a [Keyring]: everything but its secret.
type AccessKey struct {
	// ID is the public part.
	ID string
	// User is the name of who holds it.
	User string
	// Disabled keys are refused.
	Disabled bool
	// Created is when it was made.
	Created time.Time
	// LastUsed is when it was last used, as far as it was written down; its At is zero
	// if it never was.
	LastUsed Use
}

var (
	userName  = regexp.MustCompile(`^([\w+=,.@-]+/)*[\w+=,.@-]{1,64}$`)
	accessKey = regexp.MustCompile(`^\w{4,128}$`)
)

// maxUserName bounds a user's name with its path.
const maxUserName = 512

// ARN returns the name of a user as a principal.
func (k *Keyring) ARN(user string) string {
	return "arn:" + k.cfg.Scope.Partition + ":iam::" + k.cfg.Scope.Account + ":user/" + user
}

// identity is who holds the keys of a user.
func (k *Keyring) identity(user string) *auth.Identity {
	name := k.ARN(user)
	sum := sha256.Sum256([]byte(name))
	return &auth.Identity{Principal: name, Kind: auth.IAM, ARN: name, Attributes: map[string]string{
		"aws:username": user[strings.LastIndexByte(user, '/')+1:],
		"aws:userid":   "AIDA" + base32.StdEncoding.EncodeToString(sum[:])[:16], // the same for ever
	}}
}

// name reads a user's name, which may be an ARN.
func (k *Keyring) name(user string) (string, error) {
	if n, err := arn.Parse(user); err == nil {
		name, found := strings.CutPrefix(user, k.ARN(""))
		if !found {
			return "", fmt.Errorf("%w: the user is %q, expected one that begins with %q", ErrInvalid, n, k.ARN(""))
		}
		user = name
	}
	if len(user) > maxUserName || !userName.MatchString(user) {
		return "", fmt.Errorf("%w: the user is %q, expected a name of 1 to 64 letters, digits and _+=,.@-, perhaps behind a path", ErrInvalid, shorten(user))
	}
	return user, nil
}

// Create makes a key for a user, which is a name or the ARN that [Keyring.ARN] makes of
// it. The secret is returned here and never again. The error wraps ErrInvalid or
// ErrLimit.
func (k *Keyring) Create(ctx context.Context, user string) (key AccessKey, secret string, err error) {
	var b [40]byte
	_, _ = rand.Read(b[:])
	id := "AKIA" + base32.StdEncoding.EncodeToString(b[:10])
	secret = base64.RawStdEncoding.EncodeToString(b[10:])
	key, err = k.put(ctx, user, id, secret)
	if err != nil {
		return AccessKey{}, "", err
	}
	return key, secret, nil
}

// Put makes a key of the id and the secret given, or gives a key of the user's another
// secret and enables it. The id has 4 to 128 letters, digits and _, the secret 1 to 256
// bytes. The error wraps ErrInvalid, ErrExists or ErrLimit.
func (k *Keyring) Put(ctx context.Context, user, id, secret string) error {
	if !accessKey.MatchString(id) {
		return fmt.Errorf("%w: the id is %q, expected 4 to 128 letters, digits and _", ErrInvalid, shorten(id))
	}
	if secret == "" || len(secret) > 256 {
		return fmt.Errorf("%w: the secret of %s has %d bytes, expected 1 to 256", ErrInvalid, id, len(secret))
	}
	_, err := k.put(ctx, user, id, secret)
	return err
}

func (k *Keyring) put(ctx context.Context, user, id, secret string) (AccessKey, error) {
	user, err := k.name(user)
	if err != nil {
		return AccessKey{}, err
	}
	var out AccessKey
	replaced := false
	err = retry(ctx, func() error {
		e, err := k.keys.Find(ctx, id)
		if err != nil {
			return err
		}
		r := keyRecord{User: user, Created: k.cfg.Now().UTC()}
		if replaced = e.Revision != 0; replaced {
			if e.Value.User != user {
				return fmt.Errorf("%w: %s belongs to the user %q", ErrExists, id, e.Value.User)
			}
			old, err := k.seal.open(id, e.Value)
			if err == nil && equal(old, secret) && !e.Value.Disabled {
				out, replaced = accessKeyOf(e), false
				return nil
			}
			r.Created = e.Value.Created
		}
		k.seal.close(id, secret, &r)
		changes := []auth.Change{k.keys.Put(r, e.Revision, id)}
		if !replaced {
			u, err := k.users.Find(ctx, user)
			if err != nil {
				return err
			}
			if len(u.Value.Keys) >= k.cfg.PerUser {
				return fmt.Errorf("%w: the user %q has %d, expected at most %d", ErrLimit, user, len(u.Value.Keys), k.cfg.PerUser)
			}
			u.Value.Keys = append(slices.Clone(u.Value.Keys), id)
			changes = append(changes, k.users.Put(u.Value, u.Revision, user), k.uses.Delete(auth.Any, id))
		}
		out = AccessKey{ID: id, User: user, Created: r.Created}
		return k.cfg.Directory.Commit(ctx, changes...)
	})
	if err != nil {
		return AccessKey{}, err
	}
	if replaced {
		k.ended(id, user)
	}
	return out, nil
}

// SetDisabled disables or enables a key. The error wraps auth.ErrNotFound.
func (k *Keyring) SetDisabled(ctx context.Context, id string, disabled bool) error {
	var user string
	changed := false
	err := retry(ctx, func() error {
		e, err := k.keys.Get(ctx, id)
		if err != nil {
			return err
		}
		user = e.Value.User
		if changed = e.Value.Disabled != disabled; !changed {
			return nil
		}
		e.Value.Disabled = disabled
		return k.cfg.Directory.Commit(ctx, k.keys.Put(e.Value, e.Revision, id))
	})
	if err == nil && changed && disabled {
		k.ended(id, user)
	}
	return err
}

// Delete deletes a key. The error wraps auth.ErrNotFound.
func (k *Keyring) Delete(ctx context.Context, id string) error {
	var user string
	err := retry(ctx, func() error {
		e, err := k.keys.Get(ctx, id)
		if err != nil {
			return err
		}
		user = e.Value.User
		u, err := k.users.Find(ctx, user)
		if err != nil {
			return err
		}
		of := k.users.Delete(u.Revision, user)
		if rest := slices.DeleteFunc(slices.Clone(u.Value.Keys), func(s string) bool { return s == id }); len(rest) > 0 {
			of = k.users.Put(userRecord{rest}, u.Revision, user)
		}
		return k.cfg.Directory.Commit(ctx, k.keys.Delete(e.Revision, id), of, k.uses.Delete(auth.Any, id))
	})
	if err != nil {
		return err
	}
	k.mu.Lock()
	delete(k.written, id)
	k.mu.Unlock()
	k.ended(id, user)
	return nil
}

// Get returns a key. The error wraps auth.ErrNotFound.
func (k *Keyring) Get(ctx context.Context, id string) (AccessKey, error) {
	e, err := k.keys.Get(ctx, id)
	if err != nil {
		return AccessKey{}, err
	}
	return k.withUse(ctx, e)
}

// Keys returns the keys of a user, in the order in which they were made. The error
// wraps ErrInvalid if there can be no user of that name.
func (k *Keyring) Keys(ctx context.Context, user string) ([]AccessKey, error) {
	user, err := k.name(user)
	if err != nil {
		return nil, err
	}
	u, err := k.users.Find(ctx, user)
	if err != nil {
		return nil, err
	}
	list := make([]AccessKey, 0, len(u.Value.Keys))
	for _, id := range u.Value.Keys {
		key, err := k.Get(ctx, id)
		switch {
		case errors.Is(err, auth.ErrNotFound): // deleted meanwhile
		case err != nil:
			return nil, err
		default:
			list = append(list, key)
		}
	}
	return list, nil
}

// List yields all keys in the order of their ids, those after the id given; "" is
// before all. An error is yielded once and ends it.
func (k *Keyring) List(ctx context.Context, after string) iter.Seq2[AccessKey, error] {
	return func(yield func(AccessKey, error) bool) {
		var from []string
		if after != "" {
			from = []string{after}
		}
		for e, err := range k.keys.List(ctx, nil, from) {
			var key AccessKey
			if err == nil {
				key, err = k.withUse(ctx, e)
			}
			if !yield(key, err) || err != nil {
				return
			}
		}
	}
}

func (k *Keyring) withUse(ctx context.Context, e records.Entry[keyRecord]) (AccessKey, error) {
	key := accessKeyOf(e)
	u, err := k.uses.Find(ctx, key.ID)
	if err != nil {
		return AccessKey{}, err
	}
	if u.Revision != 0 {
		key.LastUsed = Use{ID: key.ID, At: u.Value.At, Region: u.Value.Region, Service: u.Value.Service}
	}
	return key, nil
}

func accessKeyOf(e records.Entry[keyRecord]) AccessKey {
	return AccessKey{ID: e.ID[0], User: e.Value.User, Disabled: e.Value.Disabled, Created: e.Value.Created}
}

// retries is how often a change is tried that others come in between of.
const retries = 64

// retry runs a change again while somebody else was faster.
func retry(ctx context.Context, change func() error) error {
	var err error
	for range retries {
		if err = ctx.Err(); err != nil {
			return err
		}
		if err = change(); !errors.Is(err, auth.ErrConflict) {
			return err
		}
	}
	return err
}
