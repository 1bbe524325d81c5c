package registry

import (
	"context"
	"fmt"

	"github.com/thinghub/thinghub/registry/index"
)

// A pull reads the shadows of a thing from the ShadowSource, without a lock. What is
// heard of meanwhile is newer than what it reads.
type pull struct {
	readers int
	heard   map[string]bool // names of shadows
	void    bool            // the thing was deleted
}

// WantsShadow reports whether the index holds shadows of a name: whether there is a
// point in calling ShadowChanged. It is cheap.
func (s *Service) WantsShadow(name string) bool { return s.fleet.wantsShadow(name) }

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
	s.fleet.hear(thing, name, document, s.cfg.Shadows == nil)
	if err == nil && known {
		err = s.reindexShadows(ctx, thing, Shadow{Name: name, Document: document})
	}
	if err != nil {
		s.cfg.Logger.Warn("shadow not indexed", "thing", thing, "shadow", name, "err", err)
	}
}

// reindexShadows brings the views up to some shadows of a thing. Its lock is held.
func (s *Service) reindexShadows(ctx context.Context, thing string, shadows ...Shadow) error {
	for v := range s.fleet.withThings {
		if err := s.placeShadows(ctx, v, thing, shadows); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) placeShadows(ctx context.Context, v *view, thing string, shadows []Shadow) error {
	for _, shadow := range shadows {
		if !v.config.Things.holdsShadow(shadow.Name) {
			continue
		}
		err := s.reindexPart(ctx, v, thing, partShadow(shadow.Name), func(d *index.Document) { addShadow(d, shadow.Name, shadow.Document) })
		if err != nil {
			return err
		}
	}
	return nil
}

// hear notes what is told of a shadow, and the shadow itself if nobody can be asked for
// it later.
func (f *fleet) hear(thing, name string, document []byte, keep bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.pulls[thing]; p != nil {
		p.heard[name] = true
	}
	if keep {
		f.tell(thing, name, document)
	}
}

// tell notes a shadow. mu is held.
func (f *fleet) tell(thing, name string, document []byte) {
	if document == nil {
		delete(f.told[thing], name)
		if len(f.told[thing]) == 0 {
			delete(f.told, thing)
		}
		return
	}
	if f.told == nil {
		f.told = make(map[string]map[string][]byte)
	}
	if f.told[thing] == nil {
		f.told[thing] = make(map[string][]byte, 1)
	}
	f.told[thing][name] = document
}

// readShadows indexes the shadows that the ShadowSource has of a new thing. No lock is
// held.
func (s *Service) readShadows(ctx context.Context, thing string) error {
	p, read, err := s.pullShadows(ctx, thing, s.fleet.wantsShadow)
	if err != nil {
		return err
	}
	defer s.announce(ctx)
	defer s.locks.thing(thing)()
	return s.reindexShadows(ctx, thing, s.fleet.endPull(thing, p, read)...)
}

// pullShadows reads the shadows of a thing that are wanted. What it read is good as far
// as endPull says so, which must be called with the thing's lock held unless there is
// an error.
func (s *Service) pullShadows(ctx context.Context, thing string, wanted func(name string) bool) (p *pull, read []Shadow, err error) {
	p = s.fleet.startPull(thing)
	for shadow, err := range s.cfg.Shadows.Shadows(ctx, thing) {
		if err != nil {
			s.fleet.endPull(thing, p, nil)
			return nil, nil, fmt.Errorf("registry: read the shadows of thing %s: %w", thing, err)
		}
		if wanted(shadow.Name) {
			read = append(read, shadow)
		}
	}
	return p, read, nil
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

// endPull returns what was read, but for what was heard of since.
func (f *fleet) endPull(thing string, p *pull, read []Shadow) (good []Shadow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.readers--; p.readers == 0 && f.pulls[thing] == p {
		delete(f.pulls, thing)
	}
	for _, shadow := range read {
		if !p.heard[shadow.Name] && !p.void {
			good = append(good, shadow)
		}
	}
	return good
}

// forgetPull makes void what is being read of a thing that was deleted: it may be older
// than what the next thing of the name reads or hears. Its lock is held.
func (f *fleet) forgetPull(thing string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.pulls[thing]; p != nil {
		p.void = true
		delete(f.pulls, thing)
	}
}

// shadowsOf returns the shadows of a thing that a configuration wants. No lock is held.
func (s *Service) shadowsOf(ctx context.Context, thing string, c *ThingIndexing) (map[string][]byte, error) {
	if !c.holdsShadows() {
		return nil, nil
	}
	own := make(map[string][]byte)
	if s.cfg.Shadows == nil {
		s.fleet.mu.RLock()
		defer s.fleet.mu.RUnlock()
		for name, doc := range s.fleet.told[thing] {
			if c.holdsShadow(name) {
				own[name] = doc
			}
		}
		return own, nil
	}
	for shadow, err := range s.cfg.Shadows.Shadows(ctx, thing) {
		if err != nil {
			return nil, fmt.Errorf("registry: read the shadows of thing %s: %w", thing, err)
		}
		if c.holdsShadow(shadow.Name) {
			own[shadow.Name] = shadow.Document
		}
	}
	return own, nil
}

// dropShadows forgets the shadows that were told of and that no view holds.
// locks.structure is held.
func (s *Service) dropShadows() {
	f := &s.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	for thing, shadows := range f.told {
		for name := range shadows {
			if !f.wantsShadow(name) {
				f.tell(thing, name, nil)
			}
		}
	}
}
