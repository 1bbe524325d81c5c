package sigv4

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
	"github.com/thinghub/thinghub/internal/arn"
)

// Scope is the part that all resource names of one hub have in common: partition,
// region and account.
type Scope = arn.Scope

// Failures of a [Keyring] that are the caller's doing, besides auth.ErrNotFound for a
// key that does not exist.
var (
	// ErrInvalid: a name, an id or a secret that cannot be.
	ErrInvalid = errors.New("sigv4: invalid access key")
	// ErrExists: another user has a key of that id.
	ErrExists = errors.New("sigv4: the access key exists")
	// ErrLimit: the user has as many keys as one may have.
	ErrLimit = errors.New("sigv4: too many access keys")
)

// KeyringConfig is the configuration of a [Keyring].
type KeyringConfig struct {
	// Directory keeps the keys. It must be set.
	Directory auth.Directory
	// Scope is where the users are; its partition and account are in their names.
	Scope Scope
	// SealKeys are secrets of 32 bytes each that the secrets of access keys are
	// encrypted with (AES-256-GCM) before they go to the Directory: the first one is
	// used, all of them can be read with, so that a new one is put in front. Without
	// any, secrets lie in the Directory in plain text. They must be there in some form
	// that can be turned back: a signature is checked with the secret itself, no hash
	// of it would do.
	SealKeys [][]byte
	// PerUser is how many keys a user may have: 2 by default, as at AWS, so that a key
	// can be changed without a gap.
	PerUser int
	// UseEvery is how often the use of a key is written down: each 15 minutes by
	// default.
	UseEvery time.Duration
	// Ended is called after a key was disabled, deleted or given another secret, with
	// the principal whose connections should end. It may be called concurrently. nil:
	// nobody is told.
	Ended func(principal string)
	// Now is the clock; nil stands for time.Now.
	Now func() time.Time
	// Logger gets what the host should know. Default slog.Default().
	Logger *slog.Logger
}

// A Keyring keeps long-lived access keys of users in a directory. It is the [Keys] of an
// [Authenticator]. Its methods may be called concurrently.
//
// The user NAME is the principal arn:aws:iam::ACCOUNT:user/NAME of kind auth.IAM, with
// the attributes aws:username and aws:userid. Users are nothing but names here: a key
// makes one, and what it may do hangs on its ARN.
type Keyring struct {
	cfg   KeyringConfig
	keys  records.Table[keyRecord]
	users records.Table[userRecord]
	uses  records.Table[useRecord]
	seal  *sealer
	marks *records.Marks

	mu      sync.Mutex
	written map[string]time.Time // when the use of a key was last written down
}

var _ Recorder = (*Keyring)(nil)

type keyRecord struct {
	User     string    `json:"user"`
	Secret   string    `json:"secret,omitempty"`
	Sealed   []byte    `json:"sealed,omitempty"`
	Disabled bool      `json:"disabled,omitempty"`
	Created  time.Time `json:"created"`
}

// A userRecord holds the ids of a user's keys, in the order in which they were made.
type userRecord struct {
	Keys []string `json:"keys"`
}

type useRecord struct {
	At      time.Time `json:"at"`
	Region  string    `json:"region"`
	Service string    `json:"service"`
}

// NewKeyring returns a Keyring. The error names the field of cfg that is wrong.
func NewKeyring(cfg KeyringConfig) (*Keyring, error) {
	if cfg.Directory == nil {
		return nil, errors.New("sigv4: KeyringConfig.Directory is nil, expected a directory such as auth.NewMemory()")
	}
	if err := cfg.Scope.Check(); err != nil {
		return nil, fmt.Errorf("sigv4: KeyringConfig.Scope.%w", err)
	}
	cfg.Scope = cfg.Scope.WithDefaults()
	if cfg.PerUser == 0 {
		cfg.PerUser = 2
	}
	if cfg.PerUser < 0 {
		return nil, fmt.Errorf("sigv4: KeyringConfig.PerUser is %d, expected a number above 0", cfg.PerUser)
	}
	if cfg.UseEvery == 0 {
		cfg.UseEvery = 15 * time.Minute
	}
	if cfg.UseEvery < time.Second {
		return nil, fmt.Errorf("sigv4: KeyringConfig.UseEvery is %v, expected %v or more", cfg.UseEvery, time.Second)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	seal, err := newSealer(cfg.SealKeys)
	if err != nil {
		return nil, err
	}
	return &Keyring{
		cfg: cfg, seal: seal, marks: records.NewMarks(), written: map[string]time.Time{},
		keys:  records.NewTable[keyRecord](cfg.Directory, "accesskey"),
		users: records.NewTable[userRecord](cfg.Directory, "accesskeyuser"),
		uses:  records.NewTable[useRecord](cfg.Directory, "accesskeyuse"),
	}, nil
}

// Immediate reports whether the directory never waits.
func (k *Keyring) Immediate() bool {
	i, ok := k.cfg.Directory.(auth.Immediate)
	return ok && i.Immediate()
}

// Lookup returns a key of the keyring. Keys with a session token are not in it.
func (k *Keyring) Lookup(ctx context.Context, id, token string) (Key, error) {
	if token != "" || id == "" {
		return Key{}, fmt.Errorf("%w: a key with a session token", auth.ErrNotFound)
	}
	seen := k.marks.Of(id)
	e, err := k.keys.Get(ctx, id)
	if err != nil {
		return Key{}, err
	}
	secret, err := k.seal.open(id, e.Value)
	if err != nil {
		return Key{}, err
	}
	who := k.identity(e.Value.User)
	who.Check = func() error {
		if k.marks.Of(id) != seen {
			return unknownKey()
		}
		return nil
	}
	return Key{ID: id, Secret: secret, Identity: who, Disabled: e.Value.Disabled}, nil
}

// Used writes down when a key was used, once in KeyringConfig.UseEvery. Temporary keys are
// none of the keyring's: devices get as many as they ask for, and each would leave a record.
func (k *Keyring) Used(ctx context.Context, u Use) {
	if u.Temporary {
		return
	}
	k.mu.Lock()
	due := u.At.Sub(k.written[u.ID]) >= k.cfg.UseEvery
	if due {
		k.written[u.ID] = u.At
	}
	k.mu.Unlock()
	if !due {
		return
	}
	put := k.uses.Put(useRecord{At: u.At.UTC(), Region: u.Region, Service: u.Service}, auth.Any, u.ID)
	if err := k.cfg.Directory.Commit(ctx, put); err != nil {
		k.cfg.Logger.Warn("sigv4: the use of an access key was not written down", "key", u.ID, "err", err)
	}
}

// ended tells whoever has looked a key up that it is not what it was.
func (k *Keyring) ended(id, user string) {
	k.marks.Change(id)
	if k.cfg.Ended != nil {
		k.cfg.Ended(k.ARN(user))
	}
}
