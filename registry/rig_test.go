package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry"
)

// newService returns a service with a scope of its own.
func newService(t *testing.T, change ...func(*registry.Config)) *registry.Service {
	t.Helper()
	cfg := registry.Config{Scope: registry.Scope{Region: "eu-west-1", Account: "123456789012"}}
	for _, c := range change {
		c(&cfg)
	}
	s, err := registry.New(cfg)
	require.NoError(t, err)
	return s
}

const arnPrefix = "arn:aws:iot:eu-west-1:123456789012:"

// create creates things without anything.
func create(t *testing.T, s *registry.Service, names ...string) {
	t.Helper()
	for _, name := range names {
		_, err := s.CreateThing(t.Context(), registry.CreateThingInput{Name: name})
		require.NoError(t, err)
	}
}

// createGroups creates static groups; "parent/child" names a child of a parent.
func createGroups(t *testing.T, s *registry.Service, names ...string) {
	t.Helper()
	for _, name := range names {
		in := registry.CreateGroupInput{Name: name}
		for i := range name {
			if name[i] == '/' {
				in.Parent, in.Name = name[:i], name[i+1:]
			}
		}
		_, err := s.CreateThingGroup(t.Context(), in)
		require.NoError(t, err)
	}
}

// join puts things into a group.
func join(t *testing.T, s *registry.Service, group string, things ...string) {
	t.Helper()
	for _, thing := range things {
		require.NoError(t, s.AddThingToThingGroup(t.Context(), registry.Membership{Group: group, Thing: thing}))
	}
}

// is requires an error of a kind whose message holds a text.
func is(t *testing.T, err, kind error, text string) {
	t.Helper()
	_ = as(t, err, kind, text)
}

// as is is for who looks at the error too.
func as(t *testing.T, err, kind error, text string) *registry.Error {
	t.Helper()
	require.ErrorIs(t, err, kind)
	require.ErrorContains(t, err, text)
	var e *registry.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "registry: "+e.Message, err.Error())
	return e
}

// recorder is a Publisher that keeps what it gets.
type recorder struct {
	mu     sync.Mutex
	topics []string
	bodies []string
	err    error
	then   func(topic string)
}

func (r *recorder) Publish(_ context.Context, topic string, payload []byte) error {
	r.mu.Lock()
	r.topics = append(r.topics, topic)
	r.bodies = append(r.bodies, string(payload))
	then, err := r.then, r.err
	r.mu.Unlock()
	if then != nil {
		then(topic)
	}
	return err
}

// take returns the topics so far and forgets them.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	topics := r.topics
	r.topics, r.bodies = nil, nil
	return topics
}

// body returns the only event so far, without what differs each time, and forgets it.
func (r *recorder) body(t *testing.T) map[string]any {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Len(t, r.bodies, 1)
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.bodies[0]), &m))
	require.Len(t, m["eventId"], 36)
	require.InDelta(t, 1.7e12, m["timestamp"], 1e12, "milliseconds")
	delete(m, "eventId")
	delete(m, "timestamp")
	r.topics, r.bodies = nil, nil
	return m
}

func ptr[T any](v T) *T { return &v }

// isKind reports whether err is an Error of a kind, and sets e to it. It is for
// goroutines, which must not end the test.
func isKind(err, kind error, e **registry.Error) bool {
	return errors.Is(err, kind) && errors.As(err, e)
}
