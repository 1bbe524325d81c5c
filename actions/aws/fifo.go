package aws

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/thinghub/thinghub/actions"
)

// maxID is how long the ids of FIFO queues and topics may be.
const maxID = 128

// isFIFO reports whether a queue or a topic is one, by its URL or ARN.
func isFIFO(name string) bool { return strings.HasSuffix(name, ".fifo") }

// maybeFIFO is isFIFO of a text with templates.
func maybeFIFO(text string) bool { return isFIFO(text) || templated(text) }

// A fifo has the templates that FIFO queues and topics need besides.
type fifo struct{ group, id string }

func (f fifo) params() []actions.Param {
	return []actions.Param{
		{Name: "messageGroupId", Text: f.group, Optional: true},
		{Name: "messageDeduplicationId", Text: f.id, Optional: true},
	}
}

// check checks the templates for a queue or a topic.
func (f fifo) check(resource string) error {
	if f.id != "" && !maybeFIFO(resource) {
		return actions.WrongField("messageDeduplicationId", f.id, "none: only a FIFO resource, whose name ends with .fifo, knows it")
	}
	for _, p := range f.params() {
		if p.Text != "" && !templated(p.Text) && !isID(p.Text) {
			return actions.WrongField(p.Name, p.Text, "1 to 128 ASCII letters, digits and punctuation marks")
		}
	}
	return nil
}

// ids returns the group and the deduplication id of an event, nil for none. The rendered
// texts are the second and the third of its parameters, after the resource.
func (f fifo) ids(ev actions.Event) (group, id *string, err error) {
	is := isFIFO(ev.Params[0])
	g, d := ev.Params[1], ev.Params[2]
	switch {
	case g != "" && !isID(g):
		return nil, nil, actions.Permanent(actions.WrongField("messageGroupId", g, "1 to 128 ASCII letters, digits and punctuation marks"))
	case d != "" && !isID(d):
		return nil, nil, actions.Permanent(actions.WrongField("messageDeduplicationId", d, "1 to 128 ASCII letters, digits and punctuation marks"))
	case d != "" && !is:
		return nil, nil, actions.Permanent(errors.New("messageDeduplicationId is only for FIFO resources, whose names end with .fifo"))
	}
	if is && g == "" {
		g = asID(ev.Message.Topic)
	}
	if is && d == "" {
		d = asID(ev.ID())
	}
	if g != "" {
		group = &g
	}
	if d != "" {
		id = &d
	}
	return group, id, nil
}

// parallel is the Batch.Parallel: one group for all is one order, which needs one lane.
func (f fifo) parallel(resource string) bool {
	return !maybeFIFO(resource) || f.group == "" || templated(f.group)
}

// distinct is the Batch.Distinct: a FIFO resource keeps the order of a group, but may
// refuse one of a batch and take the next.
func (f fifo) distinct(resource string) func(ev actions.Event) string {
	if !maybeFIFO(resource) {
		return nil
	}
	return func(ev actions.Event) string {
		switch {
		case !isFIFO(ev.Params[0]):
			return ev.ID()
		case ev.Params[1] != "":
			return ev.Params[1]
		}
		return ev.Message.Topic
	}
}

func isID(s string) bool {
	return s != "" && len(s) <= maxID && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// asID returns a text that is an id, the hash of one that cannot be.
func asID(s string) string {
	if isID(s) {
		return s
	}
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}
