package shadow

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
)

// A Filter says which changes a watch is about, and where it begins. The zero value is
// every change of every shadow, from now on.
type Filter struct {
	// Thing is the name of a thing, or a pattern in which each * stands for any
	// characters or none. "" means every thing. A change looks up the watches of its
	// thing, however many others there are, and looks at every one with a pattern.
	Thing string
	// Names are the names of shadows, "" being the classic one. Nil means all.
	Names []string
	// Delta leaves out what makes no delta: changes after which reported has all that
	// desired has, and deletions.
	Delta bool
	// Sides leaves out changes after which each of these sides is as it was before.
	// Nil means that any change counts, also one that only sets what was there.
	Sides []Side

	// After begins one shadow, which Thing and Names name, after a change that was
	// seen before: what came since then comes first. &Position{} is before the first
	// change. Of what happened meanwhile, all that Config.History has kept comes as
	// it was; for what is not kept a Snapshot takes its place. Nil begins with now.
	After *Position
	// Current begins with every shadow that there is, as a Snapshot, before any of its
	// changes.
	Current bool

	// Buffer is how many changes wait, each by itself, for a loop that is slower than
	// they come; beyond that, what happens to a shadow while a change of it waits
	// becomes one with that change, which then has a Missed count. Default 256.
	Buffer int
	// Limit is how many changes may wait altogether, beyond Buffer at most one for
	// each shadow. The change that is one too many ends the watch with ErrLagged.
	// Default 65536, at least Buffer. Of both, a negative value means no bound.
	Limit int
}

// Only is the filter for one shadow.
func Only(k Key) Filter { return Filter{Thing: k.Thing, Names: []string{k.Name}} }

// A Position is a place in the life of a shadow: just after a change of it. Positions
// can be compared and kept, as JSON for example.
type Position struct {
	Version int64 `json:"version"`
	// Deleted says that the change is the deletion of that version.
	Deleted bool `json:"deleted,omitempty"`
}

// before reports that the change at p comes before the one at q.
func (p Position) before(q Position) bool {
	return p.Version < q.Version || p.Version == q.Version && !p.Deleted && q.Deleted
}

// leadsTo reports that no other change is between p and q.
func (p Position) leadsTo(q Position) bool {
	if q.Deleted {
		return p.Version == q.Version && !p.Deleted
	}
	return p.Version+1 == q.Version
}

// skips is how many versions between p and the change at q have no change of their own,
// as far as versions tell.
func (p Position) skips(q Position) int64 {
	n := q.Version - p.Version
	if !q.Deleted {
		n--
	}
	return max(n, 0)
}

func positionOf(d Document) Position { return Position{d.Version, d.Version > 0 && !d.Live()} }

// Position is where the shadow is after the change: a watch of it with this as
// Filter.After goes on with the next one.
func (c *Change) Position() Position { return positionOf(c.Current) }

// The errors that end a watch besides those of its context and of the store.
var (
	// ErrClosed says that the service was closed.
	ErrClosed = errors.New("shadow: the service is closed")
	// ErrLagged says that more changes waited for a watch than its Filter.Limit.
	ErrLagged = errors.New("shadow: the watch is too slow, Filter.Limit changes wait for it")
)

// Watch yields changes of shadows that this service makes, as they happen. It takes no
// goroutine: the loop that ranges over it waits. The watch begins when the loop does, and
// everything that belongs to it is gone when the loop is left.
//
//	for c, err := range svc.Watch(ctx, shadow.Only(k)) {
//		if err != nil {
//			return err // that of ctx, say; the loop ends after an error
//		}
//		fmt.Println(c.By.Principal, c.Current.Version, string(c.Delta))
//	}
//
// Each change is yielded once, those of one shadow in the order in which they were made:
// Current of one is Previous of the next, unless Filter.Delta or Sides leave some out.
// Changes of different shadows have no order.
// What is yielded is read-only, may be kept and is the same value for all watches.
//
// Nobody waits for a watch. If the loop is slower than the changes, they wait up to
// Filter.Buffer; then those of a shadow are joined, so that the loop still sees each
// shadow in its newest state and gets there without a gap: Previous of such a change is
// the document after the last one that was yielded, Missed says how many others are in
// it, and At has what was in between if Config.History keeps it. Only when more shadows
// wait than Filter.Limit allows does the watch end, with ErrLagged. An error in place of
// the gap would have every user write the loop that starts again and reads all documents
// anew; dropping would leave them with an old state. So memory is bounded by the shadows
// that change, not by time.
//
// A watch that goes on where another one ended, with Filter.After, yields what came
// since, exactly once, as far as Config.History reaches; where it does not, a change of
// kind Snapshot shows the oldest version that is kept, or the current one, and Missed how
// many versions are left out. Nothing is left out without such a mark, whatever Delta
// and Sides say.
//
// Services that share a store see their own changes only. That a change of another one
// came between two shows in Previous, which is then not what was yielded before.
//
// The sequence ends with an error: that of ctx, at once; ErrClosed, after what waits, if
// the service is closed; ErrLagged, likewise; or an [Error], ErrInvalid for a bad filter
// and ErrInternal if the store fails. Hooks must not watch.
func (s *Service) Watch(ctx context.Context, f Filter) iter.Seq2[*Change, error] {
	return func(yield func(*Change, error) bool) {
		if err := s.watch(ctx, f, yield); err != nil && !errors.Is(err, errLeft) {
			yield(nil, err)
		}
	}
}

// errLeft says that the loop was left.
var errLeft = errors.New("shadow: the loop was left")

func (s *Service) watch(ctx context.Context, f Filter, yield func(*Change, error) bool) error {
	f, err := f.withDefaults()
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w := newWatch(f)
	s.watchers.add(w)
	defer s.watchers.remove(w)
	switch {
	case s.closed():
		return ErrClosed
	case f.After != nil:
		err = s.replay(ctx, w, yield)
	case f.Current:
		err = s.snapshots(ctx, w, yield)
	}
	if err != nil {
		return err
	}
	w.started()
	for {
		c, err := w.next(ctx, s.done)
		if err != nil {
			return err
		}
		if !yield(c, nil) {
			return errLeft
		}
	}
}

// Close ends all watches, and those that are begun afterwards at once. Everything else
// goes on. Calling it again is fine.
func (s *Service) Close() { s.closing.Do(func() { close(s.done) }) }

func (s *Service) closed() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// withDefaults returns a copy with its bounds filled in.
func (f Filter) withDefaults() (Filter, error) {
	limit(&f.Buffer, 256)
	limit(&f.Limit, 65536)
	f.Limit = max(f.Limit, f.Buffer)
	f.Names, f.Sides = slices.Clone(f.Names), slices.Clone(f.Sides)
	if f.Thing != "" && !isName(strings.ReplaceAll(f.Thing, "*", "x"), MaxThingLen, false) {
		return f, invalid("Invalid filter: Thing is " + quoted(f.Thing) + ", expected the name of a thing or a pattern with *")
	}
	for _, name := range f.Names {
		if name != "" && checkName(name) != nil {
			return f, invalid("Invalid filter: Names has " + quoted(name) + ", expected names of shadows")
		}
	}
	for _, side := range f.Sides {
		if side > Reported {
			return f, invalid("Invalid filter: Sides has neither Desired nor Reported")
		}
	}
	if f.After == nil {
		return f, nil
	}
	if !f.exact() || len(f.Names) != 1 {
		return f, invalid("Invalid filter: After is set, expected one shadow in Thing and Names")
	}
	if f.After.Version < 0 || f.After.Deleted && f.After.Version == 0 {
		return f, invalid("Invalid filter: After has no version")
	}
	if f.Current {
		return f, invalid("Invalid filter: Current is set, expected After or Current")
	}
	after := *f.After
	f.After = &after
	return f, nil
}

// quoted is a name in an error text, unless it is too long to repeat.
func quoted(s string) string {
	if len(s) > MaxThingLen {
		s = s[:MaxThingLen] + "..."
	}
	return string(appendString(nil, s))
}

// exact reports whether the filter names one thing.
func (f *Filter) exact() bool { return f.Thing != "" && !strings.Contains(f.Thing, "*") }

// named reports whether the filter is about shadows of that name.
func (f *Filter) named(name string) bool { return f.Names == nil || slices.Contains(f.Names, name) }

// wants reports whether the filter lets a change of a shadow it covers pass.
func (f *Filter) wants(c *Change) bool {
	if f.Delta && len(c.Delta) == 0 {
		return false
	}
	return f.Sides == nil || slices.ContainsFunc(f.Sides, func(s Side) bool {
		return !bytes.Equal(c.Previous.Side(s), c.Current.Side(s))
	})
}

// A pattern is a name in which each * stands for anything, taken apart.
type pattern struct {
	first string   // before the first *
	parts []string // what comes after each *; none if there is none
}

func patternOf(s string) pattern {
	parts := strings.Split(s, "*")
	return pattern{first: parts[0], parts: parts[1:]}
}

// fits reports whether a name fits the pattern, in time linear in the name for each *.
func (p *pattern) fits(name string) bool {
	rest, ok := strings.CutPrefix(name, p.first)
	if !ok || len(p.parts) == 0 {
		return ok && rest == ""
	}
	last := len(p.parts) - 1
	for _, part := range p.parts[:last] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return strings.HasSuffix(rest, p.parts[last])
}
