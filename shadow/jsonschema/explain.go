package jsonschema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	js "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// A finding is one thing that is wrong: at path, says.
type finding struct {
	path []string
	says string // "is 120, expected at most 100"
	// wants is what is expected of the value as a whole, "" if the finding is about
	// something else: of alternatives, they can be joined.
	wants string
}

// explain says in one line what is wrong with root, which stands at where in its
// document. It takes at most room bytes, if that is positive: the first finding, and
// others as long as there is room.
func explain(e *js.ValidationError, root any, where string, room int) string {
	list := findings(e, root)
	for i, f := range list {
		list[i].says = shortenPath(where+pointer(f.path)) + " " + f.says
	}
	slices.SortStableFunc(list, func(a, b finding) int {
		return cmp.Or(slices.Compare(a.path, b.path), cmp.Compare(a.says, b.says))
	})
	list = slices.CompactFunc(list, func(a, b finding) bool { return a.says == b.says })
	if len(list) == 0 {
		return "the document does not fit"
	}
	var b strings.Builder
	for i, f := range list {
		reserve := 0 // for saying how many are left out
		if i < len(list)-1 {
			reserve = len("; and 1234567 more")
		}
		switch {
		case i == 0 && room > 0:
			b.WriteString(shorten(f.says, room-reserve))
		case i == 0:
			b.WriteString(f.says)
		case room > 0 && b.Len()+len("; ")+len(f.says)+reserve > room:
			fmt.Fprintf(&b, "; and %d more", len(list)-i)
			return b.String()
		default:
			b.WriteString("; " + f.says)
		}
	}
	return b.String()
}

// findings are the leaves of an error. root is what its places are in; nil if that is
// not known.
func findings(e *js.ValidationError, root any) []finding {
	switch k := e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.AllOf, *kind.Reference:
		var all []finding
		for _, c := range e.Causes {
			all = append(all, findings(c, root)...)
		}
		return all
	case *kind.AnyOf:
		return alternatives(e, root)
	case *kind.OneOf:
		if len(k.Subschemas) == 0 {
			return alternatives(e, root)
		}
	case *kind.AdditionalProperties:
		var all []finding
		for _, name := range k.Properties {
			path := append(slices.Clip(e.InstanceLocation), name)
			all = append(all, value(path, root, "no such member"))
		}
		return all
	case *kind.PropertyNames:
		return []finding{badName(e, k, root)}
	case nil:
		return nil
	}
	return []finding{leaf(e, root)}
}

// alternatives are the findings of an error in all of several schemas: what each expects,
// if they are about the same value, and otherwise the findings of the one that came
// furthest.
func alternatives(e *js.ValidationError, root any) []finding {
	var wants []string
	var best []finding
	deepest := -1
	for _, c := range e.Causes {
		list := findings(c, root)
		if len(list) == 1 && list[0].wants != "" && len(list[0].path) == len(e.InstanceLocation) {
			wants = append(wants, list[0].wants)
		}
		depth := 0
		for _, f := range list {
			depth = max(depth, len(f.path))
		}
		if depth > deepest || depth == deepest && len(list) < len(best) {
			deepest, best = depth, list
		}
	}
	if len(wants) == len(e.Causes) && len(wants) > 0 {
		return []finding{value(e.InstanceLocation, root, strings.Join(slices.Compact(wants), " or "))}
	}
	return best
}

// badName is about the name of a member. The library's place of it cannot be relied on:
// it is overwritten by those that are looked at afterwards.
func badName(e *js.ValidationError, k *kind.PropertyNames, root any) finding {
	says := "has a member " + quote(k.Property)
	for _, c := range e.Causes {
		if list := findings(c, k.Property); len(list) > 0 && list[0].wants != "" {
			says += ", expected its name to be " + list[0].wants
			break
		}
	}
	if object, ok := at(root, e.InstanceLocation).(map[string]any); ok {
		if _, ok := object[k.Property]; ok {
			return finding{path: e.InstanceLocation, says: says}
		}
	}
	return finding{says: says}
}

// value is a finding about the whole value at path.
func value(path []string, root any, wants string) finding {
	f := finding{path: path, wants: wants, says: "is wrong"}
	if v := at(root, path); v != nil || root != nil {
		f.says = "is " + display(v)
	}
	f.says += ", expected " + shorten(wants, longestWanted)
	return f
}

// leaf is what one keyword has found.
func leaf(e *js.ValidationError, root any) finding {
	path := e.InstanceLocation
	is := func(format string, args ...any) finding { return value(path, root, fmt.Sprintf(format, args...)) }
	has := func(format string, args ...any) finding {
		return finding{path: path, says: "has " + fmt.Sprintf(format, args...)}
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Type:
		return is("%s", types(k.Want))
	case *kind.Enum:
		return is("%s", oneOf(k.Want))
	case *kind.Const:
		return is("%s", literal(k.Want))
	case *kind.Minimum:
		return is("at least %s", decimal(k.Want))
	case *kind.Maximum:
		return is("at most %s", decimal(k.Want))
	case *kind.ExclusiveMinimum:
		return is("more than %s", decimal(k.Want))
	case *kind.ExclusiveMaximum:
		return is("less than %s", decimal(k.Want))
	case *kind.MultipleOf:
		return is("a multiple of %s", decimal(k.Want))
	case *kind.MinLength:
		return is("at least %s", count(k.Want, "character"))
	case *kind.MaxLength:
		return is("at most %s", count(k.Want, "character"))
	case *kind.Pattern:
		return is("what matches %s", quote(k.Want))
	case *kind.Format:
		return is("the format %s", k.Want)
	case *kind.Not:
		return is("something else")
	case *kind.FalseSchema:
		return is("nothing here")
	case *kind.OneOf:
		return is("what fits one of the alternatives %d and %d, not both", k.Subschemas[0], k.Subschemas[1])
	case *kind.Required:
		return has("no %s, expected %s", names(k.Missing), them(k.Missing))
	case *kind.Dependency:
		return has("%s but no %s, expected %s with it", quote(k.Prop), names(k.Missing), them(k.Missing))
	case *kind.DependentRequired:
		return has("%s but no %s, expected %s with it", quote(k.Prop), names(k.Missing), them(k.Missing))
	case *kind.MinProperties:
		return has("%s, expected at least %d", count(k.Got, "member"), k.Want)
	case *kind.MaxProperties:
		return has("%s, expected at most %d", count(k.Got, "member"), k.Want)
	case *kind.MinItems:
		return has("%s, expected at least %d", count(k.Got, "item"), k.Want)
	case *kind.MaxItems:
		return has("%s, expected at most %d", count(k.Got, "item"), k.Want)
	case *kind.AdditionalItems:
		return has("%s at its end, expected no more", count(k.Count, "item"))
	case *kind.UniqueItems:
		return has("the same item at %d and %d, expected each once", k.Duplicates[0], k.Duplicates[1])
	case *kind.Contains:
		return has("no item that it must contain, expected at least 1")
	case *kind.MinContains:
		return has("%s that it must contain, expected at least %d", count(len(k.Got), "item"), k.Want)
	case *kind.MaxContains:
		return has("%s of which it may contain a few, expected at most %d", count(len(k.Got), "item"), k.Want)
	}
	return finding{path: path, says: "does not fit: " + shorten(e.ErrorKind.LocalizedString(english), longestWanted)}
}
