package thinghub

import "context"

// router is the crossroads of the hub: what clients publish, wills, what the host
// publishes and what the hub's own rooms produce all passes here once.
type router struct{ hub *Hub }

func (r router) Route(ctx context.Context, m *Message) error {
	return r.hub.server.Publish(ctx, m)
}

// Immediate reports that routing does not wait.
func (router) Immediate() bool { return true }
