package registry

import (
	"context"
	"fmt"
)

// A pull reads the shadows of a thing from the ShadowSource, without a lock. What is
// heard of meanwhile is newer than what it reads.
type pull struct {
	readers int
	heard   map[string]bool // names of shadows
}

// ShadowChanged tells that a shadow of a thing was changed, or deleted if document is
// nil. name is empty for the classic shadow. The document is JSON with members
// desired, reported, delta, metadata and version, and must not be changed afterwards.
// It is cheap while the shadow is not indexed. News of one shadow must come in order,
// after the change can be read from Config.Shadows. Events of dynamic groups may be
// published before it returns.
func (s *Service) ShadowChanged(thing, name string, document []byte) {
	if !s.fleet.wantsShadow(name) {
		return
	}
	ctx := context.Background()
	defer s.announce(ctx)
	defer s.locks.thing(thing)()
	_, known, err := lookup(ctx, s.store.Things(), "thing", thing)
	if err == nil && !known && s.cfg.Shadows != nil {
		return // it is read when the thing is created
	}
	s.fleet.mu.Lock()
	if p := s.fleet.pulls[thing]; p != nil {
		p.heard[name] = true
	}
	s.fleet.setShadow(thing, name, document)
	s.fleet.mu.Unlock()
	if err == nil && known {
		err = s.reindexThing(ctx, thing)
	}
	if err != nil {
		s.cfg.Logger.Warn("shadow not indexed", "thing", thing, "shadow", name, "err", err)
	}
}

// setShadow notes a document. mu is held.
func (f *fleet) setShadow(thing, name string, document []byte) {
	if document == nil {
		delete(f.shadows[thing], name)
		if len(f.shadows[thing]) == 0 {
			delete(f.shadows, thing)
		}
		return
	}
	if f.shadows == nil {
		f.shadows = make(map[string]map[string][]byte)
	}
	if f.shadows[thing] == nil {
		f.shadows[thing] = make(map[string][]byte, 1)
	}
	f.shadows[thing][name] = document
}

// readShadows indexes a thing with the shadows that the ShadowSource has of it.
// No lock is held.
func (s *Service) readShadows(ctx context.Context, thing string) error {
	f := &s.fleet
	var read []Shadow
	var p *pull
	if s.cfg.Shadows != nil && f.wantsShadows() {
		p = f.startPull(thing)
		for shadow, err := range s.cfg.Shadows.Shadows(ctx, thing) {
			if err != nil {
				f.endPull(thing, p, nil)
				return fmt.Errorf("registry: read the shadows of thing %s: %w", thing, err)
			}
			if f.wantsShadow(shadow.Name) {
				read = append(read, shadow)
			}
		}
	}
	defer s.announce(ctx)
	defer s.locks.thing(thing)()
	if p != nil {
		if _, known, err := lookup(ctx, s.store.Things(), "thing", thing); err != nil || !known {
			f.endPull(thing, p, nil)
			return err
		}
		f.endPull(thing, p, read)
	}
	return s.reindexThing(ctx, thing)
}

func (f *fleet) startPull(thing string) *pull {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.pulls[thing]
	if p == nil {
		p = &pull{heard: make(map[string]bool)}
		if f.pulls == nil {
			f.pulls = make(map[string]*pull)
		}
		f.pulls[thing] = p
	}
	p.readers++
	return p
}

// endPull notes what was read, but for what was heard of since.
func (f *fleet) endPull(thing string, p *pull, read []Shadow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, shadow := range read {
		if !p.heard[shadow.Name] {
			f.setShadow(thing, shadow.Name, shadow.Document)
		}
	}
	if p.readers--; p.readers == 0 {
		delete(f.pulls, thing)
	}
}

// dropShadows forgets the shadows that no view holds. locks.structure is held.
func (s *Service) dropShadows() {
	f := &s.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	for thing, shadows := range f.shadows {
		for name := range shadows {
			if !f.wantsShadow(name) {
				f.setShadow(thing, name, nil)
			}
		}
	}
}
