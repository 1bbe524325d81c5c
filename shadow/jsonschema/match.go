package jsonschema

// matchesAny reports whether a name is one of a list, or the list is nil.
func matchesAny(patterns []string, name string) bool {
	if patterns == nil {
		return true
	}
	for _, p := range patterns {
		if matches(p, name) {
			return true
		}
	}
	return false
}

// matches reports whether "*" and "?" of a pattern can stand for what is missing to the
// name. It takes at most as many steps as both lengths multiplied.
func matches(pattern, name string) bool {
	p, n := 0, 0
	star, back := -1, 0 // the last "*", and where in name it ends for the time being
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, back = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			back++
			p, n = star+1, back
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
