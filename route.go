package thinghub

import "context"

// Route is the one door for messages, and the crossroads of the hub: what clients
// publish, wills, what the host publishes and what the hub's own rooms produce all
// passes here once. It implements [broker.Router].
func (h *Hub) Route(ctx context.Context, m *Message) error {
	return h.server.Publish(ctx, m)
}
