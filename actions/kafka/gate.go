package kafka

import "context"

// A gate lets many in, or one who closes it and is alone then. Waiting ends with a context.
type gate struct {
	closing chan struct{} // who closes has it
	inside  chan struct{}
}

// mostInside is how many calls a producer does at once.
const mostInside = 64

func newGate() gate {
	return gate{closing: make(chan struct{}, 1), inside: make(chan struct{}, mostInside)}
}

func (g gate) enter(ctx context.Context) error { return put(ctx, g.inside) }

func (g gate) leave() { <-g.inside }

// close waits until nobody is inside and lets nobody in until open.
func (g gate) close(ctx context.Context) error {
	if err := put(ctx, g.closing); err != nil {
		return err
	}
	for n := range mostInside {
		if err := put(ctx, g.inside); err != nil {
			for range n {
				<-g.inside
			}
			<-g.closing
			return err
		}
	}
	return nil
}

func (g gate) open() {
	for range mostInside {
		<-g.inside
	}
	<-g.closing
}

func put(ctx context.Context, c chan struct{}) error {
	select {
	case c <- struct{}{}:
		return nil
	default:
	}
	select {
	case c <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
