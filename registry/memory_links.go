package registry

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
)

// memoryLinks keeps every kind of link by both ends. What goes out from one end is
// short (the groups of a thing), what comes in may be everything (the things of a
// type). The zero value is empty.
type memoryLinks struct {
	mu    sync.RWMutex
	kinds map[LinkKind]*relation
}

type relation struct {
	of map[string][]outgoing // from -> links, ascending by to
	to map[string]*incoming
}

type outgoing struct{ to, value string }

type incoming struct {
	name string // the one copy of the end's name
	from ordered
}

func (l *memoryLinks) Get(_ context.Context, kind LinkKind, from, to string) (Link, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if r := l.kinds[kind]; r != nil {
		if i, ok := findOutgoing(r.of[from], to); ok {
			return Link{Kind: kind, From: from, To: to, Value: r.of[from][i].value}, nil
		}
	}
	return Link{}, ErrNotFound
}

func (l *memoryLinks) Put(_ context.Context, k Link) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.kinds[k.Kind]
	if r == nil {
		r = &relation{of: make(map[string][]outgoing), to: make(map[string]*incoming)}
		if l.kinds == nil {
			l.kinds = make(map[LinkKind]*relation)
		}
		l.kinds[k.Kind] = r
	}
	links := r.of[k.From]
	i, ok := findOutgoing(links, k.To)
	if ok {
		links[i].value = k.Value
		return nil
	}
	in := r.to[k.To]
	if in == nil {
		in = &incoming{name: strings.Clone(k.To)}
		r.to[in.name] = in
	}
	from := strings.Clone(k.From)
	in.from.insert(from)
	r.of[from] = slices.Insert(links, i, outgoing{to: in.name, value: k.Value})
	return nil
}

func (l *memoryLinks) Delete(_ context.Context, kind LinkKind, from, to string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.kinds[kind]
	if r == nil {
		return nil
	}
	links := r.of[from]
	i, ok := findOutgoing(links, to)
	if !ok {
		return nil
	}
	if links = slices.Delete(links, i, i+1); len(links) == 0 {
		delete(r.of, from)
	} else {
		r.of[from] = links
	}
	in := r.to[to]
	if in.from.remove(from); in.from.list.Len() == 0 {
		delete(r.to, to)
	}
	return nil
}

func (l *memoryLinks) Of(ctx context.Context, kind LinkKind, from, after string) iter.Seq2[Link, error] {
	return l.batches(ctx, after, func(l Link) string { return l.To }, func(dst []Link, after string, n int) []Link {
		r := l.kinds[kind]
		if r == nil {
			return dst
		}
		links := r.of[from]
		i, ok := findOutgoing(links, after)
		if ok {
			i++
		}
		for _, o := range links[i:min(len(links), i+n)] {
			dst = append(dst, Link{Kind: kind, From: from, To: o.to, Value: o.value})
		}
		return dst
	})
}

func (l *memoryLinks) To(ctx context.Context, kind LinkKind, to, after string) iter.Seq2[Link, error] {
	return l.batches(ctx, after, func(l Link) string { return l.From }, func(dst []Link, after string, n int) []Link {
		r := l.kinds[kind]
		if r == nil || r.to[to] == nil {
			return dst
		}
		var room [lastBatch]string
		for _, from := range r.to[to].from.after(room[:0], after, n) {
			i, _ := findOutgoing(r.of[from], to)
			dst = append(dst, Link{Kind: kind, From: from, To: to, Value: r.of[from][i].value})
		}
		return dst
	})
}

// batches reads a batch at a time under the lock and yields without it.
func (l *memoryLinks) batches(ctx context.Context, after string, end func(Link) string, read func(dst []Link, after string, n int) []Link) iter.Seq2[Link, error] {
	return func(yield func(Link, error) bool) {
		after := after
		var batch []Link
		for n := firstBatch; ; n = min(4*n, lastBatch) {
			if err := ctx.Err(); err != nil {
				yield(Link{}, err)
				return
			}
			l.mu.RLock()
			batch = read(batch[:0], after, n)
			l.mu.RUnlock()
			for _, k := range batch {
				if !yield(k, nil) {
					return
				}
			}
			if len(batch) < n {
				return
			}
			after = end(batch[n-1])
		}
	}
}

func findOutgoing(links []outgoing, to string) (int, bool) {
	return slices.BinarySearchFunc(links, to, func(o outgoing, to string) int { return strings.Compare(o.to, to) })
}
