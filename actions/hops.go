package actions

import "context"

type hopsKey struct{}

// WithHops returns a context for work that a message led to: whoever publishes with it
// makes a message of that many hops. The engine gives it to actions, so that a loop is
// noticed by whatever way it goes: a republish, a shadow, the host's own function.
func WithHops(ctx context.Context, hops uint8) context.Context {
	return context.WithValue(ctx, hopsKey{}, hops)
}

// Hops returns what WithHops gave ctx, 0 without.
func Hops(ctx context.Context) uint8 {
	n, _ := ctx.Value(hopsKey{}).(uint8)
	return n
}
