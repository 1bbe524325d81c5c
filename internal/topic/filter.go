package topic

import "strings"

// CheckFilter returns nil if filter may be subscribed to: 1 to MaxLen bytes
// [MQTT-4.7.3-1] [MQTT-4.7.3-3] of valid UTF-8 without U+0000 [MQTT-4.7.3-2],
// "#" only as the whole of the last level [MQTT-4.7.1-1] and "+" only as the
// whole of a level [MQTT-4.7.1-2]. Otherwise it returns an *Error.
//
// It gives no meaning to "$share"; see ParseShared.
func CheckFilter(filter string) error {
	if err := checkText(kindFilter, filter); err != nil {
		return err
	}
	last := len(filter) - 1
	for i := range len(filter) {
		c := filter[i]
		if c != '+' && c != '#' {
			continue
		}
		if i > 0 && filter[i-1] != '/' || i < last && filter[i+1] != '/' {
			if c == '+' {
				return invalid(kindFilter, filter, `"+" must be alone in its level`)
			}
			return invalid(kindFilter, filter, `"#" must be alone in its level`)
		}
		if c == '#' && i < last {
			return invalid(kindFilter, filter, `"#" must be the last level`)
		}
	}
	return nil
}

// HasWildcard tells whether filter contains "+" or "#", that is, whether it
// can match any other name than itself.
func HasWildcard(filter string) bool {
	return strings.IndexByte(filter, '+') >= 0 || strings.IndexByte(filter, '#') >= 0
}

// ParseShared checks filter like CheckFilter and takes a shared subscription
// apart: "$share/group/inner" is inner, of which one member of group gets each
// message. The group has at least one character [MQTT-4.8.2-1], none of them
// "/", "+" or "#" [MQTT-4.8.2-2], and is followed by "/" and a valid filter
// [MQTT-4.8.2-2].
//
// Any other filter comes back as inner, with shared false. The error is an
// *Error; with one, the other results are zero.
func ParseShared(filter string) (group, inner string, shared bool, err error) {
	rest, found := strings.CutPrefix(filter, "$share")
	if !found || rest != "" && rest[0] != '/' {
		if err := CheckFilter(filter); err != nil {
			return "", "", false, err
		}
		return "", filter, false, nil
	}
	// The limits of the standard are about the text as a whole.
	if err := checkText(kindFilter, filter); err != nil {
		return "", "", false, err
	}
	if rest == "" || rest == "/" {
		return "", "", false, invalid(kindFilter, filter, `"$share/" must be followed by a share name`)
	}
	group, inner, found = strings.Cut(rest[1:], "/")
	switch {
	case group == "":
		return "", "", false, invalid(kindShare, group, "must not be empty")
	case HasWildcard(group):
		return "", "", false, invalid(kindShare, group, `must not contain "+" or "#"`)
	case !found || inner == "":
		return "", "", false, invalid(kindFilter, filter, `the share name must be followed by "/" and a filter`)
	}
	if err := CheckFilter(inner); err != nil {
		return "", "", false, err
	}
	return group, inner, true, nil
}

// Match tells whether filter matches name. "+" matches any one level, also an
// empty one [MQTT-4.7.1-2]; "#" matches its parent level and everything below
// [MQTT-4.7.1-1]: "a/#" matches "a". A filter that begins with a wildcard does
// not match a name that begins with "$" [MQTT-4.7.2-1].
//
// It gives no meaning to "$share" in a filter.
func Match(filter, name string) bool {
	if strings.HasPrefix(name, "$") && wildStart(filter) {
		return false
	}
	foff, noff := 0, 0
	for foff <= len(filter) {
		flevel, fnext := nextLevel(filter, foff)
		if flevel == "#" && fnext > len(filter) {
			return true
		}
		if noff > len(name) {
			return false
		}
		nlevel, nnext := nextLevel(name, noff)
		if flevel != "+" && flevel != nlevel {
			return false
		}
		foff, noff = fnext, nnext
	}
	return noff > len(name)
}

// wildStart tells whether the first level of filter is a wildcard.
func wildStart(filter string) bool {
	return filter == "#" || filter == "+" || strings.HasPrefix(filter, "+/")
}
