package certs

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/thinghub/thinghub/auth"
)

// states are what is known of the certificates that have been used. The directory is
// asked for every connection, since other hubs may share it; what is spared is reading a
// record that has not changed, and a connection can ask again without waiting.
type states struct {
	mu    sync.RWMutex
	known map[string]*state
	// deletions counts what was deleted. Together with the state and its edits it tells
	// whether something changed while a record was read.
	deletions uint64
}

// A state is guarded by the mutex of states.
type state struct {
	status   Status
	jit      bool
	rotates  bool   // a rotation waits for it
	sniOnly  bool   // its mode is SNIOnly
	revision int64  // of the record that it comes from; 0: to be read anew
	doubtful bool   // a change may have been stored or not
	edits    uint64 // changes made here
	reads    uint64 // records taken over
	// What all identities share; only id is set before the record was read once.
	id, arn, key string
	check        func() error
}

// A moment is what states were when somebody began to read a record.
type moment struct {
	of                      *state
	edits, reads, deletions uint64
}

func (t *states) now(id []byte) (moment, state) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	m := moment{deletions: t.deletions, of: t.known[string(id)]}
	if m.of == nil {
		return m, state{}
	}
	m.edits, m.reads = m.of.edits, m.of.reads
	return m, *m.of
}

// A mark is where the changes of a certificate were when one more began.
type mark struct{ edits, deletions uint64 }

func (t *states) mark(id string) mark {
	t.mu.RLock()
	defer t.mu.RUnlock()
	m := mark{deletions: t.deletions}
	if st := t.known[id]; st != nil {
		m.edits = st.edits
	}
	return m
}

// set notes a new status that was stored after m. If another change was noted meanwhile
// it is not known which of them was stored last: then a right to connect is not given,
// and the record is to be read.
func (t *states) set(id string, to Status, m mark) {
	t.edit(id, func(st *state) {
		st.doubtful = st.edits != m.edits || t.deletions != m.deletions
		if !st.doubtful || to != Active {
			st.status = to
		}
	})
}

// doubt notes that a record may have changed.
func (t *states) doubt(id string) { t.edit(id, func(st *state) { st.doubtful = true }) }

func (t *states) edit(id string, f func(*state)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	st := t.known[id]
	if st == nil {
		st = &state{id: id}
		t.known[id] = st
	}
	f(st)
	st.revision = 0
	st.edits++
}

// drop notes that a certificate is gone.
func (t *states) drop(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if st := t.known[id]; st != nil {
		st.status = Deleted
		st.edits++
		delete(t.known, id)
	}
	t.deletions++
}

// learn takes over what a record says that was read since m, and returns what is known
// then, and the status before. If the status was changed here in between, that is newer
// than the record. ok is false if it is better to look again.
func (t *states) learn(m moment, id, arn, key string, r *record, revision int64) (now state, was Status, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	st := t.known[id]
	switch {
	case st == nil && (m.of != nil || t.deletions != m.deletions):
		return state{}, "", false // it may have been deleted
	case st == nil:
		st = &state{id: id, status: r.Status}
		t.known[id] = st
	case st.edits != m.edits && !st.doubtful:
		st.fill(t, arn, key)
		st.sniOnly = r.Mode == SNIOnly // which no edit changes
		return *st, st.status, true
	case st != m.of || st.edits != m.edits || st.reads != m.reads:
		return state{}, "", false // somebody has read a record that may be newer than this one
	}
	st.fill(t, arn, key)
	was = st.status
	st.status, st.jit, st.rotates, st.revision, st.doubtful = r.Status, r.JIT, r.Replaces != "", revision, false
	st.sniOnly = r.Mode == SNIOnly
	st.reads++
	return *st, was, true
}

// fill sets what stays.
func (st *state) fill(t *states, arn, key string) {
	if st.check == nil {
		st.arn, st.key, st.check = arn, key, func() error { return t.may(st) }
	}
}

// may says whether somebody who came in may stay.
func (t *states) may(st *state) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if st.status == Active {
		return nil
	}
	return inactive(st.id, st.status)
}

func inactive(id string, s Status) error {
	if s == Deleted {
		return refuse("certificate %s is deleted", id)
	}
	return refuse("certificate %s is %s", id, s)
}

// state finds out how a certificate is now. The error wraps auth.ErrNotFound if there is
// no such certificate.
func (s *Service) state(ctx context.Context, id []byte) (state, error) {
	for range tries {
		m, known := s.states.now(id)
		key := known.key
		if known.check == nil {
			key = s.certs.Key(s.tenant, string(id))
		}
		rec, err := s.cfg.Directory.Get(ctx, key)
		if errors.Is(err, auth.ErrNotFound) {
			if m.of != nil && s.vanished(m, string(id)) {
				continue
			}
			return state{}, err
		}
		if err != nil {
			return state{}, fmt.Errorf("certs: read certificate %s: %w", string(id), err)
		}
		if rec.Revision == known.revision {
			return known, nil
		}
		e, err := s.certs.Read(rec)
		if err != nil {
			return state{}, fmt.Errorf("certs: read certificate %s: %w", string(id), err)
		}
		name := string(id)
		now, was, ok := s.states.learn(m, name, s.ARN(name), key, &e.Value, rec.Revision)
		if !ok {
			continue
		}
		if was == Active && now.status != Active { // another hub did that
			s.changed(name, now.status)
		}
		return now, nil
	}
	return state{}, tooBusy("certificate", string(id))
}

// vanished notes that another hub deleted a certificate. It reports true if something
// changed here meanwhile, so that it is better to look again.
func (s *Service) vanished(m moment, id string) bool {
	s.states.mu.Lock()
	st := s.states.known[id]
	if st != m.of || st.edits != m.edits {
		s.states.mu.Unlock()
		return true
	}
	was := st.status
	st.status = Deleted
	st.edits++
	delete(s.states.known, id)
	s.states.deletions++
	s.states.mu.Unlock()
	if was == Active {
		s.changed(id, Deleted)
	}
	return false
}

// Refresh reads a certificate anew and calls Config.Changed if it turns out that
// another hub has taken its right to connect: for hosts that hear of changes in a shared
// directory. Without it that is found out at the next connection with the certificate.
func (s *Service) Refresh(ctx context.Context, id string) error {
	if _, err := s.state(ctx, []byte(id)); err != nil && !errors.Is(err, auth.ErrNotFound) {
		return err
	}
	return nil
}
