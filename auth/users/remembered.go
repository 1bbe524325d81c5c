package users

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/thinghub/thinghub/auth/internal/password"
)

// remembered holds digests of passwords that were right a short while ago. They are
// made with a key that nobody else has and that ends with the process.
type remembered struct {
	life time.Duration // negative: nothing is remembered
	key  [32]byte
	mu   sync.Mutex
	m    *password.Recent[digest]
}

// A digest counts while the user's record has the same revision.
type digest struct {
	sum      [sha256.Size]byte
	revision int64
	until    time.Time
}

func newRemembered(life time.Duration, most int) *remembered {
	r := &remembered{life: life, m: password.NewRecent[digest](most)}
	_, _ = rand.Read(r.key[:])
	return r
}

func (r *remembered) digest(name string, secret []byte) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, r.key[:])
	h.Write([]byte(name))
	h.Write([]byte{0}) // not in a name
	h.Write(secret)
	h.Sum(sum[:0])
	return sum
}

// knows reports whether the password was right a short while ago and the user is as it
// was then.
func (r *remembered) knows(name string, secret []byte, revision int64, now time.Time) bool {
	if r.life < 0 {
		return false
	}
	r.mu.Lock()
	d, ok := r.m.Get(name)
	r.mu.Unlock()
	if !ok || d.revision != revision || !now.Before(d.until) {
		return false
	}
	sum := r.digest(name, secret)
	return hmac.Equal(sum[:], d.sum[:])
}

func (r *remembered) put(name string, secret []byte, revision int64, now time.Time) {
	if r.life < 0 {
		return
	}
	d := digest{r.digest(name, secret), revision, now.Add(r.life)}
	r.mu.Lock()
	r.m.Put(name, d)
	r.mu.Unlock()
}

func (r *remembered) forget(name string) {
	r.mu.Lock()
	r.m.Delete(name)
	r.mu.Unlock()
}
