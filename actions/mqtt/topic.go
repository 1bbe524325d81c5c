package mqtt

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/thinghub/thinghub/internal/topic"
)

// Direction is where messages go.
type Direction string

// The directions.
const (
	// Out is from the hub to the far broker. A rule does that: see [Client.Rules].
	Out Direction = "out"
	// In is from the far broker to the hub: see [Client.Run].
	In Direction = "in"
	// Both is both.
	Both Direction = "both"
)

// A Topic says which messages cross a bridge, as a line "topic" of a bridge of Mosquitto
// does. The hub's topics are LocalPrefix and what matches Pattern, the far broker's are
// RemotePrefix and the same: a message on LocalPrefix + "x" here is one on RemotePrefix +
// "x" there.
type Topic struct {
	// Pattern is a topic filter.
	Pattern string `json:"pattern"`
	// Direction is Out by default.
	Direction Direction `json:"direction,omitempty"`
	// QoS is the highest QoS with which messages cross. Lower ones stay.
	QoS byte `json:"qos,omitempty"`
	// LocalPrefix and RemotePrefix stand before the pattern, as they are: with a "/" at the
	// end if a level is to end there.
	LocalPrefix  string `json:"localPrefix,omitempty"`
	RemotePrefix string `json:"remotePrefix,omitempty"`
}

// ParseTopic reads what stands behind "topic" in a configuration of Mosquitto:
//
//	pattern [[[ out | in | both ] qos-level] local-prefix remote-prefix]
//
// where "" is an empty prefix.
func ParseTopic(line string) (Topic, error) {
	parts := strings.Fields(line)
	if len(parts) == 0 || len(parts) > 5 {
		return Topic{}, fmt.Errorf("mqtt: %q has %d parts, expected a pattern, a direction, a QoS, a local and a remote prefix, of which the last may be absent", line, len(parts))
	}
	for len(parts) < 5 {
		parts = append(parts, "")
	}
	t := Topic{Pattern: parts[0], Direction: Direction(parts[1]), LocalPrefix: unquoted(parts[3]), RemotePrefix: unquoted(parts[4])}
	if parts[2] != "" {
		qos, err := strconv.ParseUint(parts[2], 10, 8)
		if err != nil {
			return Topic{}, fmt.Errorf("mqtt: the QoS in %q is %q, expected 0, 1 or 2", line, parts[2])
		}
		t.QoS = byte(qos)
	}
	if field, value, want := t.wrong(); field != "" {
		return Topic{}, fmt.Errorf("mqtt: %s in %q is %q, expected %s", field, line, value, want)
	}
	return t, nil
}

func unquoted(s string) string {
	if s == `""` {
		return ""
	}
	return s
}

// wrong says which field is; "" if none is.
func (t *Topic) wrong() (field, value, want string) {
	switch {
	case t.Direction != "" && t.Direction != Out && t.Direction != In && t.Direction != Both:
		return "direction", string(t.Direction), "out, in or both"
	case t.QoS > 2:
		return "qos", strconv.Itoa(int(t.QoS)), "0, 1 or 2"
	case topic.CheckFilter(t.local()) != nil || isShared(t.local()):
		return "localPrefix with pattern", t.local(), "a topic filter"
	case topic.CheckFilter(t.remote()) != nil || isShared(t.remote()):
		return "remotePrefix with pattern", t.remote(), "a topic filter"
	case strings.ContainsAny(t.LocalPrefix+t.RemotePrefix, "+#"):
		return "prefix", t.LocalPrefix + t.RemotePrefix, "a text without + and #"
	case t.out() && strings.ContainsAny(t.local(), "'\\"):
		return "localPrefix with pattern", t.local(), "a topic filter without ' and \\, since a rule names it"
	}
	return "", "", ""
}

func isShared(filter string) bool { return strings.HasPrefix(filter, "$share/") }

func (t *Topic) out() bool      { return t.Direction != In }
func (t *Topic) in() bool       { return t.Direction == In || t.Direction == Both }
func (t *Topic) local() string  { return t.LocalPrefix + t.Pattern }
func (t *Topic) remote() string { return t.RemotePrefix + t.Pattern }

// toLocal returns the hub's topic for one of the far broker, if it is to have one.
func (t *Topic) toLocal(remote string) (string, bool) {
	return cross(remote, t.RemotePrefix, t.LocalPrefix, t.remote(), t.local())
}

// cross puts one prefix in the place of another. What devices write behind a prefix must
// not become a topic of the hub's or of a broker's own, which begin with "$", unless the
// one who configured it wrote that.
func cross(name, from, to, filter, target string) (string, bool) {
	if !topic.Match(filter, name) {
		return "", false
	}
	rest, ok := strings.CutPrefix(name, from)
	if !ok {
		return "", false
	}
	out := to + rest
	if topic.CheckName(out) != nil || from != "" && strings.HasPrefix(out, "$") && !strings.HasPrefix(target, "$") {
		return "", false
	}
	return out, true
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

func wild(filter string) bool {
	return filter == "#" || filter == "+" || strings.HasPrefix(filter, "+/")
}
