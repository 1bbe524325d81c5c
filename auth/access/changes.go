package access

import (
	"context"
	"slices"

	"github.com/thinghub/thinghub/auth"
)

// ThingChanged is to be called when a thing, its principals or its groups may have
// changed. It returns when the open connections of the client of that name go by it.
func (s *Service) ThingChanged(name string) {
	s.mu.Lock()
	var all []*session
	for x := s.sessions[name]; x != nil; x = x.next {
		all = append(all, x)
	}
	s.mu.Unlock()
	s.renew(all)
}

// targetChanged brings all sessions up to what is attached to a target.
func (s *Service) targetChanged(_ context.Context, target string) {
	group, users := s.isGroup(target), isUserGroup(target)
	var all []*session
	s.mu.Lock()
	for _, x := range s.sessions {
		for ; x != nil; x = x.next {
			// In this order: who is not at work any more has put its rights there.
			busy := x.busy.Load()
			r := x.rights.Load()
			switch {
			case x.id.Attached() == target, x.id.Role == target, users && x.id.Kind == auth.IAM, r == nil, group && busy, group && r.thing != nil && slices.Contains(r.thing.Groups, target):
				all = append(all, x)
			}
		}
	}
	s.mu.Unlock()
	s.renew(all)
}

func (s *Service) renew(all []*session) {
	for _, x := range all {
		if err := x.resolve(context.Background()); err != nil {
			s.cfg.Logger.Error("access: policies cannot be read, so everything is denied", "client", x.conn.ClientID, "err", err)
		}
	}
}

// Connections returns how many sessions are open.
func (s *Service) Connections() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.sessions {
		for ; x != nil; x = x.next {
			n++
		}
	}
	return n
}
