package policy

import (
	"strconv"
	"strings"
)

// A tree is the patterns of one kind, or of one statement. All connections share it: what
// a connection puts in for variables is looked up while matching, so that binding copies no
// patterns.
type tree struct {
	heads    [effects][]heads // those without variables
	loose    [effects][]loose
	branches []branch
	at       map[lead]int // the place of each branch, while the tree grows
}

// heads are entries that begin alike, as far as their first eight bytes tell.
type heads struct {
	first   uint64
	entries []entry
	shift   uint8
	set     actionSet
}

// begins reports whether the first bytes of the name fit.
func (h *heads) begins(p *probe) bool { return p.first<<h.shift == h.first }

func (t *tree) addEntry(effect Effect, e entry) {
	list := t.heads[effect]
	for i := range list {
		if h := &list[i]; h.first == e.first && h.shift == e.firstShift {
			h.entries = append(h.entries, e)
			h.set |= e.set
			return
		}
	}
	t.heads[effect] = append(list, heads{e.first, []entry{e}, e.firstShift, e.set})
}

// among is the statement of the first entry that counts, -1 if there is none.
func (b *Bound) among(list []heads, bit actionSet, p *probe) int32 {
	for i := range list {
		h := &list[i]
		if h.set&bit == 0 || !h.begins(p) {
			continue
		}
		for j := range h.entries {
			if e := &h.entries[j]; e.set&bit != 0 && e.matches(p) && !b.gone.has(e.st) {
				return e.st
			}
		}
	}
	return -1
}

// A lead is what several patterns begin with: text without wildcards, and a variable.
type lead struct {
	text string
	slot int
}

// A branch is the patterns with one lead, by what follows it.
type branch struct {
	lead
	rest  tree
	first uint64 // up to eight bytes of the text, see entry
	shift uint8
	sets  [effects]actionSet // of all patterns of the branch
}

// loose is a pattern with a wildcard before a variable.
type loose struct {
	head, tail template  // before the first star and behind the last one
	middle     []segment // between stars
	// As in entry, of the text that comes before and behind all wildcards and variables.
	first, last           uint64
	st                    int32
	least                 int32
	star                  bool
	set                   actionSet
	firstShift, lastShift uint8
}

// A segment is what stands between two stars: text, or Bound.middles[at] if at is not
// negative.
type segment struct {
	text string
	at   int
}

// grow puts a pattern into a tree.
func (p *Program) grow(t *tree, pattern template, st *Statement, set actionSet) {
	if pattern.static() {
		t.addEntry(st.Effect, newEntry(pattern[0].text, st.number, set))
		return
	}
	l, rest := lead{slot: pattern[0].slot}, pattern[1:]
	if l.slot < 0 {
		l = lead{pattern[0].text, pattern[1].slot}
		rest = pattern[2:]
	}
	if wildAt(l.text) < len(l.text) {
		t.loose[st.Effect] = append(t.loose[st.Effect], p.newLoose(pattern, st, set))
		return
	}
	if len(rest) == 0 {
		rest = template{{"", -1}}
	}
	i, found := t.at[l]
	if !found {
		if t.at == nil {
			t.at = make(map[lead]int)
		}
		i = len(t.branches)
		t.at[l] = i
		shift := shiftFor(len(l.text))
		t.branches = append(t.branches, branch{lead: l, first: firstBytes(l.text) << shift, shift: shift})
	}
	t.branches[i].sets[st.Effect] |= set
	p.grow(&t.branches[i].rest, rest, st, set)
}

// grown drops what only a growing tree needs.
func (t *tree) grown() {
	t.at = nil
	for i := range t.branches {
		t.branches[i].rest.grown()
	}
}

func (t *tree) empty() bool {
	return len(t.branches)+len(t.heads[Allow])+len(t.heads[Deny])+len(t.loose[Allow])+len(t.loose[Deny]) == 0
}

// newLoose cuts a pattern at its stars.
func (p *Program) newLoose(pattern template, st *Statement, set actionSet) loose {
	l := loose{st: int32(st.number), set: set}
	cut := []template{nil}
	for _, t := range pattern {
		for t.slot < 0 {
			before, after, found := strings.Cut(t.text, anyRunText)
			if before != "" {
				cut[len(cut)-1] = append(cut[len(cut)-1], part{before, -1})
				l.least += int32(len(before))
			}
			if !found {
				break
			}
			cut = append(cut, nil)
			t.text = after
		}
		if t.slot >= 0 {
			cut[len(cut)-1] = append(cut[len(cut)-1], t)
		}
	}
	end := len(cut) - 1
	l.head, l.tail, l.star = cut[0], cut[end], end > 0
	if end > 1 {
		for _, t := range cut[1:end] {
			l.middle = append(l.middle, p.segment(t))
		}
	}
	if len(l.head) > 0 && l.head[0].slot < 0 {
		text := l.head[0].text
		text = text[:wildAt(text)]
		l.firstShift = shiftFor(len(text))
		l.first = firstBytes(text) << l.firstShift
	} else {
		l.firstShift = 64
	}
	text := ""
	if n := len(l.tail); n > 0 && l.tail[n-1].slot < 0 {
		text = l.tail[n-1].text
		text = text[strings.LastIndexByte(text, anyOne)+1:]
	}
	text = text[len(text)-min(len(text), 8):]
	l.lastShift = shiftFor(len(text))
	l.last = lastBytes(text) >> l.lastShift
	return l
}

// segment keeps a text with variables once, however many patterns have it.
func (p *Program) segment(t template) segment {
	if t == nil {
		return segment{"", -1}
	}
	if t.static() {
		return segment{t[0].text, -1}
	}
	var key []byte
	for _, part := range t {
		key = append(key, part.text...)
		if part.slot >= 0 {
			key = append(strconv.AppendInt(append(key, '\xfd'), int64(part.slot), 10), '\xfd')
		}
	}
	i, found := p.middleOf[string(key)]
	if !found {
		i = len(p.middles)
		p.middles = append(p.middles, t)
		p.middleOf[string(key)] = i
	}
	return segment{"", i}
}

// search looks for statements about an action with a pattern that matches, one of each
// effect, -1 if there is none: a deny, which ends the search, and an allow, unless there is
// one already. Statements that are gone do not count.
func (b *Bound) search(t *tree, bit actionSet, p probe, allow int32) (deny, allowed int32) {
	if st := b.among(t.heads[Deny], bit, &p); st >= 0 {
		return st, allow
	}
	if allow < 0 {
		allow = b.among(t.heads[Allow], bit, &p)
	}
	for i := range t.branches {
		r := &t.branches[i]
		set := r.sets[Deny]
		if allow < 0 {
			set |= r.sets[Allow]
		}
		if set&bit == 0 || p.first<<r.shift != r.first {
			continue
		}
		if rest, ok := b.follows(r, p.name); ok {
			if deny, allow = b.search(&r.rest, bit, p.tail(rest), allow); deny >= 0 {
				return deny, allow
			}
		}
	}
	for i := range t.loose[Deny] {
		if l := &t.loose[Deny][i]; l.set&bit != 0 && l.begins(&p) && l.matches(&p, b) && !b.gone.has(l.st) {
			return l.st, allow
		}
	}
	if allow < 0 {
		for i := range t.loose[Allow] {
			if l := &t.loose[Allow][i]; l.set&bit != 0 && l.begins(&p) && l.matches(&p, b) && !b.gone.has(l.st) {
				return -1, l.st
			}
		}
	}
	return -1, allow
}

// follows is what follows a branch's lead in a name that begins with it. The first eight
// bytes are known to fit.
func (b *Bound) follows(r *branch, name string) (rest string, ok bool) {
	n, v := len(r.text), &b.texts[r.slot]
	if !v.ok || len(name) < n+len(v.text) || n > 8 && name[8:n] != r.text[8:] || name[n:n+len(v.text)] != v.text {
		return "", false
	}
	return name[n+len(v.text):], true
}

func (l *loose) begins(p *probe) bool { return p.first<<l.firstShift == l.first }

// matches reports whether a name fits whose first bytes do.
func (l *loose) matches(p *probe, b *Bound) bool {
	if p.last>>l.lastShift != l.last || len(p.name) < int(l.least) {
		return false
	}
	s, ok := b.cutHead(l.head, p.name)
	if !ok || !l.star {
		return ok && s == ""
	}
	if s, ok = b.cutTail(l.tail, s); !ok {
		return false
	}
	for i := range l.middle {
		text := l.middle[i].text
		if at := l.middle[i].at; at >= 0 {
			v := b.middle(at)
			if !v.ok {
				return false
			}
			text = v.text
		}
		end := find(text, s)
		if end < 0 {
			return false
		}
		s = s[end:]
	}
	return true
}

// cutHead takes a pattern without stars off the front of s.
func (b *Bound) cutHead(t template, s string) (rest string, ok bool) {
	for i := range t {
		if t[i].slot < 0 {
			n := prefix(t[i].text, s)
			if n < 0 {
				return "", false
			}
			s = s[n:]
			continue
		}
		v := &b.texts[t[i].slot]
		if s, ok = strings.CutPrefix(s, v.text); !ok || !v.ok {
			return "", false
		}
	}
	return s, true
}

// cutTail takes a pattern without stars off the end of s.
func (b *Bound) cutTail(t template, s string) (rest string, ok bool) {
	for i := len(t) - 1; i >= 0; i-- {
		if t[i].slot < 0 {
			n := suffix(t[i].text, s)
			if n < 0 {
				return "", false
			}
			s = s[:len(s)-n]
			continue
		}
		v := &b.texts[t[i].slot]
		if s, ok = strings.CutSuffix(s, v.text); !ok || !v.ok {
			return "", false
		}
	}
	return s, true
}
