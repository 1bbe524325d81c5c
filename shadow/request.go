package shadow

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// A request is an update taken apart.
type request struct {
	tree    *tree
	state   uint32    // the node of "state"
	sides   [2]uint32 // the nodes of its members by Side, 0 for one that is not mentioned
	clear   bool      // state is null
	dropped bool      // state has members that are ignored
	token   []byte    // clientToken as JSON between the quotes; nil if there is none
	noToken bool      // clientToken is there and is none
	version int64     // -1 if none is given
}

// isEmpty reports that a node is {}.
func (r *request) isEmpty(node uint32) bool {
	n := &r.tree.nodes[node]
	return n.kind == kindObject && n.count == 0
}

// read makes w.tree of a payload. The clientToken is in w.request even if there is
// an error, as long as the payload is a JSON object.
func (s *Service) read(w *work, payload []byte) *Error {
	w.request = request{tree: &w.tree, version: -1}
	if len(payload) > s.cfg.MaxRequestBytes {
		return tooLarge()
	}
	if !utf8.Valid(payload) {
		return &Error{Code: codeEncoding, Message: textEncoding}
	}
	most := s.cfg.MaxDepth + 2
	if !w.scanner.read(&w.tree, payload, most) {
		return invalid(textInvalidJSON)
	}
	if w.tree.nodes[0].kind != kindObject {
		return invalid(textInvalidJSON)
	}
	if i, ok := w.tree.member(0, "clientToken"); ok {
		w.request.token = s.token(w.tree.nodes[i].kind, w.tree.value(i))
		w.request.noToken = w.request.token == nil
	}
	if w.scanner.duplicate {
		return invalid(textInvalidJSON)
	}
	return nil
}

// token returns what is between the quotes of a clientToken, nil if it is none.
func (s *Service) token(kind valueKind, text []byte) []byte {
	if kind != kindString {
		return nil
	}
	text = text[1 : len(text)-1]
	if len(text) > s.cfg.MaxTokenBytes && textLen(text) > s.cfg.MaxTokenBytes {
		return nil
	}
	return text
}

// readToken is all that get and delete want of a payload: an object, or nothing.
func (s *Service) readToken(w *work, payload []byte) *Error {
	if len(payload) == 0 {
		w.request = request{}
		return nil
	}
	if err := s.read(w, payload); err != nil {
		return err
	}
	if w.request.noToken {
		return invalid(textToken)
	}
	return nil
}

// readUpdate makes w.request of a payload. The checks are in the order in which
// AWS makes them.
func (s *Service) readUpdate(w *work, payload []byte) *Error {
	if err := s.read(w, payload); err != nil {
		return err
	}
	t, r := &w.tree, &w.request
	state, ok := t.member(0, "state")
	if !ok {
		return invalid(textNoState)
	}
	if err := r.readState(state); err != nil {
		return err
	}
	if r.noToken {
		return invalid(textToken)
	}
	if i, ok := t.member(0, "version"); ok {
		v, err := strconv.ParseUint(string(t.value(i)), 10, 63)
		if err != nil {
			return invalid(textVersion)
		}
		r.version = int64(v)
	}
	return s.checkDepth(r)
}

// readState takes the member "state" apart.
func (r *request) readState(state uint32) *Error {
	t := r.tree
	r.state, r.sides, r.clear, r.dropped = state, [2]uint32{}, false, false
	switch t.nodes[state].kind {
	case kindNull:
		r.clear = true
		return nil
	case kindObject:
	case kindFalse, kindTrue, kindNumber, kindString, kindArray:
		return invalid(textState)
	}
	for c, end := state+1, t.nodes[state].next; c < end; c = t.nodes[c].next {
		var side Side
		var text string
		switch key := t.key(c); string(key) {
		case "desired":
			side, text = Desired, textDesired
		case "reported":
			side, text = Reported, textReported
		case "delta":
			r.dropped = true
			continue
		default:
			return invalidNode(string(key))
		}
		r.sides[side] = c
		n := &t.nodes[c]
		if n.kind != kindObject && n.kind != kindNull {
			return invalid(text)
		}
		if n.flags&hasNull != 0 {
			if i, ok := t.arrayWithNull(c); ok {
				return invalidNode(string(t.key(i)))
			}
		}
	}
	return nil
}

// arrayWithNull returns the member that holds the first array with a null anywhere
// in it. An array is replaced whole, so that such a null could remove nothing.
func (t *tree) arrayWithNull(section uint32) (uint32, bool) {
	for i, end := section, t.nodes[section].next; i < end; {
		n := &t.nodes[i]
		switch {
		case n.flags&hasNull == 0:
			i = n.next
		case n.kind == kindArray:
			return i, true
		default:
			i++
		}
	}
	return 0, false
}

func (s *Service) checkDepth(r *request) *Error {
	for _, i := range r.sides {
		if i != 0 && r.tree.nodes[i].flags&tooDeep != 0 {
			return invalid(fmt.Sprintf(textNesting, s.cfg.MaxDepth))
		}
	}
	return nil
}

// replaceState puts JSON that a hook made in place of the request's state.
func (s *Service) replaceState(w *work, state []byte) *Error {
	if !utf8.Valid(state) || len(state) > s.cfg.MaxRequestBytes {
		return invalid(textInvalidJSON)
	}
	most := s.cfg.MaxDepth + 1 // state is the root here
	if !w.scanner.read(&w.hooked, state, most) || w.scanner.duplicate {
		return invalid(textInvalidJSON)
	}
	w.request.tree = &w.hooked
	if err := w.request.readState(0); err != nil {
		return err
	}
	return s.checkDepth(&w.request)
}

// writes reports whether the state of a request mentions a side, null as a whole
// being both.
func writes(state []byte, side Side) bool {
	if state == nil {
		return true
	}
	w := newWork()
	defer w.free()
	if !w.scanner.read(&w.hooked, state, deepest) || w.hooked.nodes[0].kind != kindObject {
		return true
	}
	_, ok := w.hooked.member(0, side.String())
	return ok
}
