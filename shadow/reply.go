package shadow

import (
	"strconv"
	"time"
)

// An Accepted is an update that was made.
type Accepted struct {
	Version int64
	Time    time.Time
	// Current is the whole document after the update.
	Current Document
	body    []byte
}

// AppendJSON appends the answer as …/update/accepted has it: the state of the
// request with its metadata, version, timestamp and clientToken.
func (a Accepted) AppendJSON(dst []byte) []byte { return append(dst, a.body...) }

// A View is a shadow as it was read.
type View struct {
	Document
	// Delta is the part of desired that reported lacks or has otherwise: a JSON
	// object, nil if there is none.
	Delta []byte
	Time  time.Time
	body  []byte
}

// AppendJSON appends the document as …/get/accepted has it: state with delta,
// metadata, version and timestamp.
func (v View) AppendJSON(dst []byte) []byte { return append(dst, v.body...) }

// A Deletion is a shadow that was deleted.
type Deletion struct {
	Version int64 // the deleted one
	Time    time.Time
}

// AppendJSON appends {"version":…,"timestamp":…}, the answer to a delete.
func (d Deletion) AppendJSON(dst []byte) []byte {
	return appendDeletion(dst, d.Version, d.Time.Unix(), nil)
}

func appendDeletion(dst []byte, version, now int64, token []byte) []byte {
	dst = appendInt(append(dst, '{'), `"version":`, version)
	dst = appendInt(dst, `,"timestamp":`, now)
	return append(appendToken(dst, token), '}')
}

// appendAccepted appends the answer to an update: what was asked for, not what came
// of it. It notes in w.stamped where the metadata of each side is.
func (w *work) appendAccepted(dst []byte, version, now int64) []byte {
	r := &w.request
	t := r.tree
	switch {
	case r.clear:
		dst = append(dst, `{"state":null,"metadata":`...)
		dst = w.appendTime(dst, now)
	default:
		dst = r.appendState(append(dst, `{"state":`...))
		dst = append(dst, `,"metadata":{`...)
		for _, side := range r.order() {
			if i := r.sides[side]; i != 0 {
				dst = appendName(dst, side)
				w.stamped[side].from = len(dst)
				dst = w.appendTimed(dst, t, i, nil, now)
				w.stamped[side].to = len(dst)
			}
		}
		dst = append(dst, '}')
	}
	dst = appendInt(dst, `,"version":`, version)
	dst = w.appendNow(dst, now)
	return append(appendToken(dst, r.token), '}')
}

// appendState appends the request's state without what is ignored.
func (r *request) appendState(dst []byte) []byte {
	if !r.dropped {
		return append(dst, r.tree.value(r.state)...)
	}
	dst = append(dst, '{')
	for _, side := range r.order() {
		if i := r.sides[side]; i != 0 {
			dst = append(appendName(dst, side), r.tree.value(i)...)
		}
	}
	return append(dst, '}')
}

// order is the order in which the request mentions the sides.
func (r *request) order() [2]Side {
	if r.sides[Reported] < r.sides[Desired] {
		return [2]Side{Reported, Desired}
	}
	return [2]Side{Desired, Reported}
}

// appendDeltaMessage appends the message on …/update/delta.
func (w *work) appendDeltaMessage(dst []byte, version, now int64) []byte {
	dst = appendInt(append(dst, '{'), `"version":`, version)
	dst = w.appendNow(dst, now)
	dst = append(append(dst, `,"state":`...), w.deltaState...)
	dst = append(append(dst, `,"metadata":`...), w.deltaMeta...)
	return append(appendToken(dst, w.request.token), '}')
}

// appendDocuments appends the message on …/update/documents. previous is 0 if
// there was no document. w.accepted is the answer to the update.
func (w *work) appendDocuments(dst []byte, previous, version, now int64) []byte {
	var known [2][]byte
	dst = append(dst, `{"previous":`...)
	if previous == 0 {
		dst = append(dst, "null"...)
	} else {
		dst = w.appendDocument(dst, w.old, previous, &known)
	}
	for side, s := range w.merged {
		switch {
		case s == w.old[side]: // as before
		case s.in == w.request.tree: // all of it is of now
			known[side] = w.accepted[w.stamped[side].from:w.stamped[side].to]
		default:
			known[side] = nil
		}
	}
	dst = append(dst, `,"current":`...)
	dst = w.appendDocument(dst, w.merged, version, &known)
	dst = w.appendNow(dst, now)
	return append(appendToken(dst, w.request.token), '}')
}

// appendDocument appends {"state":…,"metadata":…,"version":…}.
func (w *work) appendDocument(dst []byte, sides [2]*section, version int64, known *[2][]byte) []byte {
	dst = appendSides(append(dst, `{"state":`...), sides[Desired].text, sides[Reported].text)
	dst = w.appendMetadata(append(dst, `,"metadata":`...), sides, known)
	return append(appendInt(dst, `,"version":`, version), '}')
}

// appendView appends the answer to a get. w.old is the document, whose delta is
// made here, and is w.delta of dst.
func (w *work) appendView(dst []byte, version, now int64, token []byte) []byte {
	w.delta = span{}
	dst = append(dst, `{"state":`...)
	dst = appendSides(dst, w.old[Desired].text, w.old[Reported].text)
	if w.diffState(w.old) { // then there is a desired side
		dst = append(dst[:len(dst)-1], `,"delta":`...)
		w.delta.from = len(dst)
		dst = append(dst, w.deltaState...)
		w.delta.to = len(dst)
		dst = append(dst, '}')
	}
	dst = append(dst, `,"metadata":`...)
	dst = w.appendMetadata(dst, w.old, &[2][]byte{})
	dst = appendInt(dst, `,"version":`, version)
	dst = w.appendNow(dst, now)
	return append(appendToken(dst, token), '}')
}

// AppendJSON appends the error as …/rejected has it: code, message and, if the
// request had one, clientToken.
func (e *Error) AppendJSON(dst []byte) []byte {
	dst = appendInt(append(dst, '{'), `"code":`, int64(e.Code))
	dst = appendString(append(dst, `,"message":`...), e.Message)
	return append(appendToken(dst, e.token), '}')
}

// appendToken appends a clientToken, given as JSON between the quotes.
func appendToken(dst, token []byte) []byte {
	if token == nil {
		return dst
	}
	dst = append(append(dst, `,"clientToken":"`...), token...)
	return append(dst, '"')
}

func appendInt(dst []byte, name string, v int64) []byte {
	return strconv.AppendInt(append(dst, name...), v, 10)
}
