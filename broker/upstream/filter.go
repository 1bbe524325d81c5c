package upstream

import "strings"

// wild reports whether the first level of a filter is a wildcard, which does not match
// topics that begin with "$".
func wild(filter string) bool {
	return filter == "#" || filter == "+" || strings.HasPrefix(filter, "+/")
}

// overlap reports whether there are topics that both filters match.
func overlap(f, g string) bool {
	if wild(f) && strings.HasPrefix(g, "$") || wild(g) && strings.HasPrefix(f, "$") {
		return false
	}
	a, b := strings.Split(f, "/"), strings.Split(g, "/")
	for i := 0; ; i++ {
		switch {
		case i < len(a) && a[i] == "#", i < len(b) && b[i] == "#":
			return true // which also matches the level above
		case i == len(a) || i == len(b):
			return len(a) == len(b)
		case a[i] != b[i] && a[i] != "+" && b[i] != "+":
			return false
		}
	}
}

// covers reports whether f matches whatever g matches.
func covers(f, g string) bool {
	if f == "+/#" {
		f = "#" // the same
	}
	if wild(f) && strings.HasPrefix(g, "$") {
		return false
	}
	a, b := strings.Split(f, "/"), strings.Split(g, "/")
	for i := 0; ; i++ {
		switch {
		case i < len(a) && a[i] == "#":
			return true
		case i == len(a) || i == len(b):
			return len(a) == len(b)
		case a[i] == b[i]:
		case a[i] == "+" && b[i] != "#":
		default:
			return false
		}
	}
}

// join returns a filter that covers two which overlap.
func join(f, g string) string {
	a, b := strings.Split(f, "/"), strings.Split(g, "/")
	var out []string
	for i := 0; ; i++ {
		switch {
		case i < len(a) && a[i] == "#", i < len(b) && b[i] == "#":
			return strings.Join(append(out, "#"), "/")
		case i == len(a): // and of b, since they overlap
			return strings.Join(out, "/")
		case a[i] == b[i]:
			out = append(out, a[i])
		default:
			out = append(out, "+")
		}
	}
}
