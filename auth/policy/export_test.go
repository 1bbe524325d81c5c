package policy

// Match reports whether s fits a pattern with * and ?, by the matcher alone.
func Match(pattern, s string) bool { return match(encode(pattern), s) }

// MatchEntry does the same by way of an entry, as decisions do.
func MatchEntry(pattern, s string) bool {
	e := newEntry(encode(pattern), 0, publishBit)
	p := newProbe(s)
	return p.first<<e.firstShift == e.first && e.matches(&p)
}

// FindWide is the end of the first place in s that fits a pattern without stars.
func FindWide(pattern, s string) int { return findWide(encode(pattern), s) }

// OperatorNames are all operators.
func OperatorNames() map[string]bool {
	names := make(map[string]bool)
	for name := range operators {
		names[name] = true
	}
	return names
}

// SameText reports whether two statements of one policy are the same to a Coverage.
func SameText(a, b *Statement) bool { return a.text() == b.text() }

// MatchRests cuts a text off the pattern first, and matches what is left.
func MatchRests(pattern, text, s string) bool {
	rests, ok := template{{encode(pattern), -1}}.derive(text)
	if !ok {
		return false
	}
	for _, r := range rests {
		if match(r[0].text, s) {
			return true
		}
	}
	return false
}
