package jsonschema

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxExponent bounds the exponents of numbers. The library computes with all digits that
// a number has when it is written out: 1e999999 would take it a while, and it fails on
// 1e9999999.
const maxExponent = 400

// hugeNumber finds the first number, in the order of paths, with an exponent beyond the
// bound.
func hugeNumber(v any, path string) (where string, n json.Number, found bool) {
	if !hasHuge(v) {
		return "", "", false
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if where, n, found = hugeNumber(v[k], path+"/"+escape(k)); found {
				return shortenPath(where), n, true
			}
		}
	case []any:
		for i, x := range v {
			if where, n, found = hugeNumber(x, path+"/"+strconv.Itoa(i)); found {
				return where, n, true
			}
		}
	case json.Number:
		return path, v, true
	}
	return "", "", false
}

func hasHuge(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, x := range v {
			if hasHuge(x) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, hasHuge)
	case json.Number:
		at := strings.IndexAny(string(v), "eE")
		if at < 0 {
			return false
		}
		e, err := strconv.Atoi(string(v[at+1:]))
		return err != nil || e < -maxExponent || e > maxExponent
	}
	return false
}
