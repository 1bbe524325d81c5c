package policy

import "slices"

// derive cuts a fixed text off the front of a template. What a wildcard may have eaten
// of the text leaves several rests; a name matches the template after the text if it
// matches one of them. It reports false if that depends on a variable. The text must be
// ASCII.
//
// It walks the template as a machine whose states are places in it. Everything before
// the last star that was reached is dropped: the star reaches all that lies behind.
func (t template) derive(text string) ([]template, bool) {
	tokens := t.tokens()
	at := closure([]int{0}, tokens)
	for i := range len(text) {
		var next []int
		for _, n := range at {
			if n == len(tokens) {
				continue
			}
			switch k := tokens[n]; {
			case k.slot >= 0:
				return nil, false
			case k.c == anyRun:
				next = append(next, n)
			case k.c == anyOne || k.c == text[i]:
				next = append(next, n+1)
			}
		}
		at = closure(next, tokens)
	}
	var rests []template
	for _, n := range at {
		// A place right behind a star that is a place itself has nothing to add.
		if n > 0 && tokens[n-1].slot < 0 && tokens[n-1].c == anyRun && slices.Contains(at, n-1) {
			continue
		}
		rests = append(rests, templateOf(tokens[n:]))
	}
	return rests, true
}

// A token is a byte of a pattern, or a variable if slot is not negative.
type token struct {
	c    byte
	slot int
}

func (t template) tokens() []token {
	var list []token
	for _, p := range t {
		if p.slot >= 0 {
			list = append(list, token{slot: p.slot})
		}
		for i := range len(p.text) {
			list = append(list, token{p.text[i], -1})
		}
	}
	return list
}

// closure adds the places behind stars, sorts, and drops what lies before the last
// star.
func closure(at []int, tokens []token) []int {
	last := 0
	for i := 0; i < len(at); i++ {
		if n := at[i]; n < len(tokens) && tokens[n].slot < 0 && tokens[n].c == anyRun {
			last = max(last, n)
			at = append(at, n+1)
		}
	}
	slices.Sort(at)
	at = slices.Compact(at)
	return slices.DeleteFunc(at, func(n int) bool { return n < last })
}

// templateOf makes a template of tokens.
func templateOf(tokens []token) template {
	var t template
	var text []byte
	for i, k := range tokens {
		if k.slot < 0 {
			text = append(text, k.c)
		}
		if len(text) > 0 && (k.slot >= 0 || i == len(tokens)-1) {
			t = append(t, part{string(text), -1})
			text = nil
		}
		if k.slot >= 0 {
			t = append(t, part{slot: k.slot})
		}
	}
	if t == nil {
		t = template{{"", -1}}
	}
	return t
}
