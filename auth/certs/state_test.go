package certs

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// These tests look inside, because they are about what happens between two steps of a
// method.

type rig struct {
	t *testing.T
	s states
}

func newRig(t *testing.T) *rig { return &rig{t: t, s: states{known: map[string]*state{}}} }

// begin is where a reader of the record stands.
func (r *rig) begin() moment {
	m, _ := r.s.now([]byte("id"))
	return m
}

func (r *rig) learn(m moment, st Status, revision int64) (state, Status, bool) {
	return r.s.learn(m, "id", "arn", "key", &record{Status: st}, revision)
}

// knows says what a connection would be told.
func (r *rig) knows(want Status, revision int64) {
	r.t.Helper()
	_, st := r.s.now([]byte("id"))
	require.Equal(r.t, want, st.status)
	require.Equal(r.t, revision, st.revision)
	require.Equal(r.t, want == Active, st.check() == nil)
}

func TestLearn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	now, was, ok := r.learn(r.begin(), Active, 1)
	require.True(t, ok)
	require.Equal(t, Active, was)
	require.Equal(t, "arn", now.arn)
	r.knows(Active, 1)

	now, was, ok = r.learn(r.begin(), Inactive, 2)
	require.True(t, ok)
	require.Equal(t, Active, was, "so that the host can be told")
	require.Equal(t, Inactive, now.status)
	r.knows(Inactive, 2)
}

// Of two that read at once, the slower one may have the older record.
func TestLearnLate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	slow := r.begin()
	_, _, ok := r.learn(r.begin(), Inactive, 2)
	require.True(t, ok)
	_, _, ok = r.learn(slow, Active, 1)
	require.False(t, ok)
	r.knows(Inactive, 2)
	slow = r.begin()
	_, _, ok = r.learn(r.begin(), Revoked, 3)
	require.True(t, ok)
	_, _, ok = r.learn(slow, Active, 1)
	require.False(t, ok)
	r.knows(Revoked, 3)
}

// What was changed here since the reading began is newer than what was read.
func TestLearnAfterChange(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{true, false} {
		r := newRig(t)
		if known {
			_, _, ok := r.learn(r.begin(), Active, 1)
			require.True(t, ok)
		}
		slow := r.begin()
		r.s.set("id", Inactive, r.s.mark("id"))
		now, was, ok := r.learn(slow, Active, 1)
		require.True(t, ok)
		require.Equal(t, Inactive, now.status)
		require.Equal(t, Inactive, was)
		require.Equal(t, "arn", now.arn)
		r.knows(Inactive, 0)
	}
}

// A change whose fate is unknown makes the reader look again.
func TestLearnInDoubt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	slow := r.begin()
	r.s.doubt("id")
	_, _, ok := r.learn(slow, Active, 1)
	require.False(t, ok)
	_, _, ok = r.learn(r.begin(), Active, 1)
	require.True(t, ok)
	r.knows(Active, 1)
}

func TestLearnAfterDeletion(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{true, false} {
		r := newRig(t)
		if known {
			_, _, ok := r.learn(r.begin(), Active, 1)
			require.True(t, ok)
		}
		slow := r.begin()
		r.s.drop("id")
		_, _, ok := r.learn(slow, Active, 1)
		require.False(t, ok)
		require.Empty(t, r.s.known)
		// It may have come back, as another one, by the same number of steps.
		_, _, ok = r.learn(r.begin(), Inactive, 9)
		require.True(t, ok)
		_, _, ok = r.learn(slow, Active, 1)
		require.False(t, ok)
		r.knows(Inactive, 9)
	}
}

// Two changes were stored in one order and noted in the other: nobody gets in by it, and
// the record is read again.
func TestSetInOtherOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, _, ok := r.learn(r.begin(), Inactive, 1)
	require.True(t, ok)
	first, second := r.s.mark("id"), r.s.mark("id")
	r.s.set("id", Revoked, second)
	reader := r.begin()
	r.s.set("id", Active, first)
	r.knows(Revoked, 0)
	_, _, ok = r.learn(reader, Active, 2)
	require.False(t, ok, "in doubt")
	_, _, ok = r.learn(r.begin(), Revoked, 3)
	require.True(t, ok)
	r.knows(Revoked, 3)

	// The other way round a right is withheld, until the record is read.
	r = newRig(t)
	_, _, ok = r.learn(r.begin(), Active, 1)
	require.True(t, ok)
	first, second = r.s.mark("id"), r.s.mark("id")
	r.s.set("id", Active, second)
	_, _, ok = r.learn(r.begin(), Active, 3)
	require.True(t, ok)
	r.s.set("id", Inactive, first)
	r.knows(Inactive, 0)
	_, _, ok = r.learn(r.begin(), Active, 3)
	require.True(t, ok)
	r.knows(Active, 3)

	// Deleted before the change was noted.
	began := r.s.mark("id")
	r.s.drop("id")
	r.s.set("id", Active, began)
	_, st := r.s.now([]byte("id"))
	require.Equal(t, Deleted, st.status)
	require.True(t, st.doubtful)
}
