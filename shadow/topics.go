package shadow

import "strings"

const topicPrefix = "$aws/things/"

// A Kind says what a topic is to shadows.
type Kind uint8

// The kinds of topics.
const (
	// NotShadow is a topic outside $aws/things/{thing}/shadow.
	NotShadow Kind = iota
	// Request is a topic whose messages are requests: …/get, …/update, …/delete.
	// Clients may publish and subscribe.
	Request
	// Answer is a topic only the service publishes to: …/accepted, …/rejected,
	// …/update/delta, …/update/documents. Clients may subscribe.
	Answer
	// Unknown is any other topic below $aws/things/{thing}/shadow. Nobody publishes
	// there.
	Unknown
)

// String returns the kind in lower case.
func (k Kind) String() string {
	switch k {
	case NotShadow:
		return "not a shadow topic"
	case Request:
		return "request"
	case Answer:
		return "answer"
	case Unknown:
	}
	return "unknown shadow topic"
}

// Classify says what kind of topic it is. It goes by the position of levels: a
// thing may be called "shadow", and a shadow "get". It does not check the names in
// a request topic: [Service.Handle] rejects bad ones on the topic's own …/rejected.
// It does not allocate.
func Classify(topic string) Kind {
	_, _, kind := parseTopic(topic)
	return kind
}

// An operation is what a request topic asks for.
type operation uint8

const (
	opGet operation = iota
	opUpdate
	opDelete
)

// parseTopic takes a shadow topic apart. Key and operation are those of a request;
// its names are not checked, and an empty shadow name is told by named.
func parseTopic(topic string) (r requestTopic, op operation, kind Kind) {
	rest, ok := strings.CutPrefix(topic, topicPrefix)
	if !ok {
		return r, 0, NotShadow
	}
	thing, rest, _ := strings.Cut(rest, "/")
	level, rest, _ := strings.Cut(rest, "/")
	if level != "shadow" {
		return r, 0, NotShadow
	}
	r.key.Thing = thing
	if name, ok := strings.CutPrefix(rest, "name/"); ok {
		r.named = true
		r.key.Name, rest, _ = strings.Cut(name, "/")
	}
	verb, answer, answered := strings.Cut(rest, "/")
	switch verb {
	case "get":
		op = opGet
	case "update":
		op = opUpdate
	case "delete":
		op = opDelete
	default:
		return r, 0, Unknown
	}
	switch {
	case !answered:
		return r, op, Request
	case answer == "accepted", answer == "rejected", op == opUpdate && (answer == "delta" || answer == "documents"):
		return r, op, Answer
	}
	return r, op, Unknown
}

// A requestTopic is where a request came in.
type requestTopic struct {
	key   Key
	named bool // the topic has a level for the shadow's name, perhaps empty
}

func (r requestTopic) validate() error {
	if err := r.key.Validate(); err != nil || !r.named {
		return err
	}
	return checkName(r.key.Name)
}

// The topics an operation is answered on. They are parts of one string.
type topics struct {
	delta, documents string // of an update
	accepted         string
}

// requestTopicOf returns the topic on which k is asked for op.
func requestTopicOf(k Key, op operation) string {
	verb := [...]string{opGet: "/get", opUpdate: "/update", opDelete: "/delete"}[op]
	if k.Name == "" {
		return topicPrefix + k.Thing + "/shadow" + verb
	}
	return topicPrefix + k.Thing + "/shadow/name/" + k.Name + verb
}

// answerTopics returns the topics that answer a request topic. Nothing of request
// is kept.
func answerTopics(request string, op operation) topics {
	const delta, accepted, documents = "/delta", "/accepted", "/documents"
	n := len(request)
	if op != opUpdate {
		return topics{accepted: request + accepted}
	}
	all := request + delta + request + accepted + request + documents
	return topics{
		delta:     all[:n+len(delta)],
		accepted:  all[n+len(delta) : 2*n+len(delta)+len(accepted)],
		documents: all[2*n+len(delta)+len(accepted):],
	}
}

// reject returns the topic on which a request is refused.
func (t topics) reject() string { return strings.TrimSuffix(t.accepted, "accepted") + "rejected" }

// keyIn returns a topic's key as parts of another topic that begins like it.
func keyIn(topic string, k Key) Key {
	k.Thing = topic[len(topicPrefix):][:len(k.Thing)]
	if k.Name != "" {
		k.Name = topic[len(topicPrefix)+len(k.Thing)+len("/shadow/name/"):][:len(k.Name)]
	}
	return k
}
