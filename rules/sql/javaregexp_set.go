package sql

import (
	"slices"
	"strings"
	"unicode"
)

// A runeSet is a set of characters: pairs of a first and a last one, in order, apart from
// each other.
type runeSet []rune

func runesOf(list ...rune) runeSet {
	var s runeSet
	for _, c := range list {
		s = append(s, c, c)
	}
	return s.tidy()
}

// tidy puts pairs in order and joins them.
func (s runeSet) tidy() runeSet {
	type pair struct{ first, last rune }
	pairs := make([]pair, 0, len(s)/2)
	for i := 0; i < len(s); i += 2 {
		pairs = append(pairs, pair{s[i], s[i+1]})
	}
	slices.SortFunc(pairs, func(a, b pair) int { return int(a.first) - int(b.first) })
	var out runeSet
	for _, p := range pairs {
		if n := len(out); n > 0 && p.first <= out[n-1]+1 {
			out[n-1] = max(out[n-1], p.last)
			continue
		}
		out = append(out, p.first, p.last)
	}
	return out
}

func (s runeSet) union(t runeSet) runeSet {
	return append(s[:len(s):len(s)], t...).tidy()
}

func (s runeSet) negate() runeSet {
	var out runeSet
	next := rune(0)
	for i := 0; i < len(s); i += 2 {
		if s[i] > next {
			out = append(out, next, s[i]-1)
		}
		next = s[i+1] + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, next, unicode.MaxRune)
	}
	return out
}

func (s runeSet) intersect(t runeSet) runeSet {
	return s.negate().union(t.negate()).negate()
}

// single returns the only character of a set.
func (s runeSet) single() (rune, bool) {
	if len(s) == 2 && s[0] == s[1] {
		return s[0], true
	}
	return 0, false
}

// folded adds what differs in case alone: of ASCII, or of all.
func (s runeSet) folded(all bool) runeSet {
	out := s[:len(s):len(s)]
	for i := 0; i < len(s); i += 2 {
		if s[i+1]-s[i] > 0x20000 { // has it all, or nearly
			continue
		}
		for c := s[i]; c <= s[i+1]; c++ {
			if !all && c > unicode.MaxASCII {
				break
			}
			for f := unicode.SimpleFold(c); f != c; f = unicode.SimpleFold(f) {
				if all || f <= unicode.MaxASCII {
					out = append(out, f, f)
				}
			}
		}
	}
	return out.tidy()
}

// ofTable makes a set of a table of Unicode's.
func ofTable(tables ...*unicode.RangeTable) runeSet {
	var s runeSet
	add := func(first, last, stride rune) {
		if stride == 1 {
			s = append(s, first, last)
			return
		}
		for c := first; c <= last; c += stride {
			s = append(s, c, c)
		}
	}
	for _, t := range tables {
		for _, r := range t.R16 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
		for _, r := range t.R32 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
	}
	return s.tidy()
}

// The sets that Java has short names for.
var (
	setAll        = runeSet{0, unicode.MaxRune}
	setDigit      = runeSet{'0', '9'}
	setWord       = runeSet{'0', '9', 'A', 'Z', '_', '_', 'a', 'z'}
	setBlank      = runeSet{'\t', '\r', ' ', ' '} // \s: tab, line feed, vertical tab, form feed, return, blank
	setHorizontal = runeSet{'\t', '\t', ' ', ' ', 0xa0, 0xa0, 0x1680, 0x1680, 0x180e, 0x180e, 0x2000, 0x200a, 0x202f, 0x202f, 0x205f, 0x205f, 0x3000, 0x3000}
	setVertical   = runeSet{'\n', '\r', 0x85, 0x85, 0x2028, 0x2029}
	setLineEnd    = runeSet{'\n', '\n', '\r', '\r', 0x85, 0x85, 0x2028, 0x2029}.tidy()
	setGraph      = runeSet{'!', '~'}
)

// posixSets are the classes of ASCII, as in \p{Alpha}.
var posixSets = map[string]runeSet{
	"Lower": {'a', 'z'}, "Upper": {'A', 'Z'}, "ASCII": {0, 0x7f}, "Alpha": {'A', 'Z', 'a', 'z'}, "Digit": setDigit,
	"Alnum": {'0', '9', 'A', 'Z', 'a', 'z'}, "Punct": {'!', '/', ':', '@', '[', '`', '{', '~'}, "Graph": setGraph,
	"Print": {' ', '~'}, "Blank": {'\t', '\t', ' ', ' '}, "Cntrl": {0, 0x1f, 0x7f, 0x7f},
	"XDigit": {'0', '9', 'A', 'F', 'a', 'f'}, "Space": setBlank,
}

// binarySet is a property of Unicode, as in \p{IsAlphabetic}, in any case.
func binarySet(name string) (runeSet, bool) {
	switch strings.ToUpper(name) {
	case "ALPHABETIC":
		return ofTable(unicode.L, unicode.Nl, unicode.Other_Alphabetic), true
	case "LETTER":
		return ofTable(unicode.L), true
	case "IDEOGRAPHIC":
		return ofTable(unicode.Ideographic), true
	case "LOWERCASE":
		return ofTable(unicode.Ll, unicode.Other_Lowercase), true
	case "UPPERCASE":
		return ofTable(unicode.Lu, unicode.Other_Uppercase), true
	case "TITLECASE":
		return ofTable(unicode.Lt), true
	case "WHITE_SPACE", "WHITESPACE":
		return ofTable(unicode.White_Space), true
	case "CONTROL":
		return ofTable(unicode.Cc), true
	case "PUNCTUATION":
		return ofTable(unicode.P), true
	case "HEX_DIGIT", "HEXDIGIT":
		return ofTable(unicode.Nd, unicode.Hex_Digit), true
	case "NONCHARACTER_CODE_POINT", "NONCHARACTERCODEPOINT":
		return ofTable(unicode.Noncharacter_Code_Point), true
	case "DIGIT":
		return ofTable(unicode.Nd), true
	case "ALNUM":
		return ofTable(unicode.L, unicode.Nl, unicode.Other_Alphabetic, unicode.Nd), true
	case "BLANK":
		return ofTable(unicode.Zs).union(runesOf('\t')), true
	case "WORD":
		return ofTable(unicode.L, unicode.Nl, unicode.Other_Alphabetic, unicode.M, unicode.Nd, unicode.Pc, unicode.Join_Control), true
	case "JOIN_CONTROL", "JOINCONTROL":
		return ofTable(unicode.Join_Control), true
	case "ASSIGNED":
		s, ok := categorySet("Cn")
		return s.negate(), ok
	}
	return nil, false
}

// categorySet is a general category, as in \p{Lu} and \pL.
func categorySet(name string) (runeSet, bool) {
	switch name {
	case "LC": // letters with case
		return ofTable(unicode.Lu, unicode.Ll, unicode.Lt), true
	case "LD":
		return ofTable(unicode.L, unicode.Nd), true
	case "L1":
		return runeSet{0, 0xff}, true
	case "all":
		return setAll, true
	case "Cn":
		s := ofTable(unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs)
		return s.negate(), true
	}
	t, ok := unicode.Categories[name]
	if !ok || len(name) > 2 {
		return nil, false
	}
	return ofTable(t), true
}

// scriptSet is a script, as in \p{IsLatin}.
func scriptSet(name string) (runeSet, bool) {
	for script, t := range unicode.Scripts {
		if strings.EqualFold(script, name) {
			return ofTable(t), true
		}
	}
	return nil, false
}

// javaSet is a property that is a method of Java's Character, as in \p{javaLetter}.
func javaSet(name string) (runeSet, bool) {
	switch name {
	case "LowerCase":
		return binarySet("LOWERCASE")
	case "UpperCase":
		return binarySet("UPPERCASE")
	case "Alphabetic":
		return binarySet("ALPHABETIC")
	case "Ideographic":
		return binarySet("IDEOGRAPHIC")
	case "TitleCase":
		return binarySet("TITLECASE")
	case "Digit":
		return binarySet("DIGIT")
	case "Letter":
		return binarySet("LETTER")
	case "LetterOrDigit":
		return categorySet("LD")
	case "Whitespace":
		return ofTable(unicode.Z).intersect(runesOf(0xa0, 0x2007, 0x202f).negate()).union(runeSet{'\t', '\r', 0x1c, 0x1f}), true
	case "SpaceChar":
		return ofTable(unicode.Z), true
	case "ISOControl":
		return ofTable(unicode.Cc), true
	}
	return nil, false
}

// A property is the set of \p{name}. ok is false if there is none here, and in Java too,
// unless the name is one of a kind that only Java knows.
type property struct {
	set          runeSet
	ok, onlyJava bool
}

// properties are those that were asked for.
var properties cache[property]

func propertySet(name string) property {
	return properties.get(name, func(name string) property {
		s, ok, onlyJava := newProperty(name)
		return property{s, ok, onlyJava}
	})
}

func newProperty(name string) (s runeSet, ok, onlyJava bool) {
	if key, value, has := strings.Cut(name, "="); has {
		switch strings.ToLower(key) {
		case "sc", "script":
			s, ok = scriptSet(value)
		case "gc", "general_category":
			s, ok = categorySet(value)
		case "blk", "block":
			onlyJava = true
		}
		return s, ok, onlyJava
	}
	switch {
	case strings.HasPrefix(name, "In"):
		return nil, false, true
	case strings.HasPrefix(name, "Is"):
		for _, f := range [...]func(string) (runeSet, bool){binarySet, categorySet, scriptSet} {
			if s, ok = f(name[2:]); ok {
				break
			}
		}
		return s, ok, false
	case strings.HasPrefix(name, "java"):
		s, ok = javaSet(name[4:])
		return s, ok, !ok
	}
	if s, ok = posixSets[name]; !ok {
		s, ok = categorySet(name)
	}
	return s, ok, false
}
