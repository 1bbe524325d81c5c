package shadow

// A Source is the way a request came in.
type Source uint8

// The sources.
const (
	FromHost Source = iota // the embedding program: trusted, and bound by no rate
	FromMQTT
	FromHTTP
	FromRule
)

// String returns the source in lower case.
func (s Source) String() string {
	switch s {
	case FromHost:
		return "host"
	case FromMQTT:
		return "mqtt"
	case FromHTTP:
		return "http"
	case FromRule:
		return "rule"
	}
	return "unknown"
}

// A Requester is who asks: for limits, hooks and the cause of a [Change]. The zero
// value is the host program.
type Requester struct {
	Source    Source
	ClientID  string // the MQTT client; requests in flight are counted by it
	Principal string
}

// String says who it is, for people: "mqtt client c1 (principal p)".
func (r Requester) String() string {
	s := r.Source.String()
	if r.ClientID != "" {
		s += " client " + r.ClientID
	}
	if r.Principal != "" {
		s += " (principal " + r.Principal + ")"
	}
	return s
}
