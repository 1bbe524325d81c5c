package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/thinghub/thinghub/auth/policy"
)

// ErrCoverageOff is returned by [Service.Coverage] where [Service.StartCoverage] was not
// called.
var ErrCoverageOff = errors.New("access: coverage is off")

// Coverage says which statements of the policies have applied to a request or a message
// since a moment, whether they decided or only would have.
type Coverage struct {
	// Since is when coverage was switched on.
	Since time.Time
	// Used are the statements that have applied, Unused those that have not: those of the
	// default versions of all policies, by the names of the policies and in their order.
	Used, Unused []*policy.Statement
}

// coverage is what is noted.
type coverage struct {
	*policy.Coverage
	since time.Time
}

// StartCoverage switches coverage on, or has it begin anew: from now on it is noted which
// statements apply, also on connections that are open. What is noted of a statement stays
// when its policy gets another version that has the same statement, and goes with the
// policy. Documents that came with credentials are left out, and so is what other hubs
// decide that share the Directory.
//
// It costs a decision a few nanoseconds, and a look at the statements that have not applied
// yet; see [policy.Coverage].
func (s *Service) StartCoverage() {
	s.watch(&coverage{Coverage: policy.NewCoverage(), since: s.cfg.Now()})
}

// StopCoverage switches coverage off and forgets what was noted.
func (s *Service) StopCoverage() { s.watch(nil) }

func (s *Service) watch(c *coverage) {
	s.coverage.Store(c)
	s.mu.Lock()
	var programs []*policy.Program
	for _, x := range s.sets {
		if p := x.program.Load(); p != nil {
			programs = append(programs, p)
		}
	}
	s.mu.Unlock()
	for _, p := range programs {
		s.cover(p)
	}
}

// cover has a program watched by the coverage of now. Who stores a program calls it
// afterwards, and so does who changes the coverage: one of them sees what the other did.
func (s *Service) cover(p *policy.Program) {
	for {
		c := s.coverage.Load()
		if c == nil {
			p.Watch(nil)
		} else {
			p.Watch(c.Coverage)
		}
		if s.coverage.Load() == c {
			return
		}
	}
}

// Coverage returns what was noted since [Service.StartCoverage]. It reads all policies. A
// policy that cannot be read has no statements.
//
// Errors: ErrCoverageOff.
func (s *Service) Coverage(ctx context.Context) (Coverage, error) {
	c := s.coverage.Load()
	if c == nil {
		return Coverage{}, ErrCoverageOff
	}
	out := Coverage{Since: c.since}
	for e, err := range s.policies.List(ctx, nil, nil) {
		if err != nil {
			return Coverage{}, fmt.Errorf("access: coverage: %w", err)
		}
		p, err := policy.Compile(s.scope, named(e.ID[0], e.Value.document()))
		if err != nil {
			continue
		}
		for _, st := range p.Statements() {
			if c.Matched(st) {
				out.Used = append(out.Used, st)
			} else {
				out.Unused = append(out.Unused, st)
			}
		}
	}
	return out, nil
}
