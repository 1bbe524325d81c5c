package access

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/policy"
)

// A set is some policies that count together. Everybody who has the same ones shares one
// set and its program.
type set struct {
	key     string
	names   []string        // of policies of the directory
	grant   []auth.Document // of somebody's own
	program atomic.Pointer[policy.Program]
	uses    int // guarded by Service.mu

	// wanted counts the changes that the program is to follow, done those that it does.
	wanted atomic.Uint64
	mu     sync.Mutex // of who compiles
	done   uint64
	failed bool // the directory could not be read
}

// idleSets is how many sets are kept that nobody uses: those of HTTP requests.
const idleSets = 256

// acquire returns the set of policies of the directory, sorted by name, and of documents
// that came with credentials.
func (s *Service) acquire(ctx context.Context, names []string, docs []auth.Document) *set {
	key := strings.Join(names, "\x00")
	if len(docs) > 0 {
		h := sha256.New()
		for _, d := range docs {
			for _, text := range [...]string{d.Name, d.Text} {
				_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
				_, _ = h.Write([]byte(text))
			}
		}
		key += "\x00\x00" + string(h.Sum(nil))
	}
	s.mu.Lock()
	x := s.sets[key]
	if x == nil {
		if len(s.sets) >= idleSets {
			s.sweep()
		}
		x = &set{key: key, names: names, grant: docs}
		x.wanted.Store(1)
		s.sets[key] = x
	}
	x.uses++
	s.mu.Unlock()
	s.compile(ctx, x)
	return x
}

func (s *Service) release(sets ...*set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range sets {
		x.uses--
	}
}

// sweep forgets sets that nobody uses. mu is held.
func (s *Service) sweep() {
	for key, x := range s.sets {
		if x.uses == 0 {
			delete(s.sets, key)
		}
	}
}

// compile brings the program of a set up to date, if it is not.
func (s *Service) compile(ctx context.Context, x *set) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for {
		wanted := x.wanted.Load()
		if x.done == wanted && !x.failed {
			return
		}
		program, err := s.program(ctx, x)
		x.failed = err != nil
		if err != nil {
			s.cfg.Logger.Error("access: policies cannot be read, so everything is denied", "policies", x.names, "err", err)
		}
		x.program.Store(program)
		s.cover(program)
		s.round.Add(1)
		if x.done = wanted; err != nil {
			return
		}
	}
}

// program compiles a set. An error is that of the directory.
func (s *Service) program(ctx context.Context, x *set) (_ *policy.Program, failed error) {
	var all []policy.Named
	for _, d := range x.grant {
		n := named(d.Name, d.Text)
		n.Transient = true
		all = append(all, n)
	}
	for _, name := range x.names {
		r, _, err := s.read(ctx, name)
		if err != nil {
			failed = err
			all = append(all, policy.Broken(name, err))
			continue
		}
		all = append(all, named(name, r.document()))
	}
	p, err := policy.Compile(s.scope, all...)
	if err != nil && failed == nil {
		s.cfg.Logger.Warn("access: a policy is malformed, so everything is denied to who has it", "err", err)
	}
	return p, failed
}

func named(name, text string) policy.Named {
	doc, err := policy.Parse([]byte(text))
	if err != nil {
		return policy.Broken(name, err)
	}
	return policy.Named{Name: name, Doc: doc}
}

// policyChanged brings all programs up to a policy.
func (s *Service) policyChanged(ctx context.Context, name string) {
	s.mu.Lock()
	var concerned []*set
	for key, x := range s.sets {
		if !slices.Contains(x.names, name) {
			continue
		}
		x.wanted.Add(1)
		if x.uses == 0 {
			delete(s.sets, key)
			continue
		}
		concerned = append(concerned, x)
	}
	s.mu.Unlock()
	ctx = context.WithoutCancel(ctx) // the change is done: who made it may not leave it half known
	for _, x := range concerned {
		s.compile(ctx, x)
	}
}
