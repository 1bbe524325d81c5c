package broker

import (
	"context"
	"sync/atomic"
)

// Memory is the [Broker] of a hub that is alone: what is published is delivered by
// the same hub, on the publisher's goroutine, before Publish returns.
type Memory struct {
	deliver atomic.Pointer[func(string, *Message)]
}

// NewMemory returns a Memory. It serves one server.
func NewMemory() *Memory { return &Memory{} }

// Publish delivers m to the local subscribers of the server it was given to.
func (b *Memory) Publish(_ context.Context, m *Message) error {
	if f := b.deliver.Load(); f != nil {
		(*f)(EveryGroup, m)
	}
	return nil
}

// Subscribe does nothing: the hub wants everything.
func (*Memory) Subscribe(context.Context, string, string) error { return nil }

// Unsubscribe does nothing.
func (*Memory) Unsubscribe(context.Context, string, string) error { return nil }

// Run returns when ctx ends.
func (b *Memory) Run(ctx context.Context, deliver func(string, *Message)) error {
	b.bind(deliver)
	<-ctx.Done()
	return nil
}

// bind is the part of Run that must have happened before the first message; the
// server does it when it is made.
func (b *Memory) bind(deliver func(string, *Message)) { b.deliver.Store(&deliver) }
