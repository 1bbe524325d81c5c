package topic_test

import (
	"math/rand/v2"
	"strings"
)

// naiveMatch is section 4.7 of the standard, word by word, as the yardstick for
// the real ones.
func naiveMatch(filter, name string) bool {
	f, n := strings.Split(filter, "/"), strings.Split(name, "/")
	if f[0] == "+" || filter == "#" {
		if strings.HasPrefix(n[0], "$") {
			return false
		}
	}
	return naiveLevels(f, n)
}

func naiveLevels(f, n []string) bool {
	switch {
	case len(f) == 1 && f[0] == "#":
		return true
	case len(f) == 0 || len(n) == 0:
		return len(f) == len(n)
	case f[0] == "+" || f[0] == n[0]:
		return naiveLevels(f[1:], n[1:])
	}
	return false
}

// randomName draws from few names, so that they meet.
func randomName(r *rand.Rand) string {
	levels := make([]string, 1+r.IntN(4))
	for i := range levels {
		levels[i] = pick(r, "", "a", "b", "c", "aa")
	}
	if r.IntN(6) == 0 {
		levels[0] = pick(r, "$", "$SYS", "$a")
	}
	return nonEmpty(strings.Join(levels, "/"))
}

func randomFilter(r *rand.Rand) string {
	levels := strings.Split(randomName(r), "/")
	for i := range levels {
		if r.IntN(3) == 0 {
			levels[i] = "+"
		}
	}
	switch r.IntN(6) {
	case 0:
		levels = append(levels, "#")
	case 1:
		levels[len(levels)-1] = "#"
	}
	return nonEmpty(strings.Join(levels, "/"))
}

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

func nonEmpty(s string) string {
	if s == "" {
		return "/"
	}
	return s
}
