package post

import (
	"errors"

	"github.com/thinghub/thinghub/actions"
)

// Write writes events with as few requests as may be, in their order, and returns their
// errors.
//
// encode appends the lines of an event; an error of its is permanent, and an event without
// lines is done. send sends the lines of some events, which lie one after the other. When
// the error of that is permanent, the sink refused some of them: each half is sent by
// itself, until those are found that it refuses alone. So what send refuses must not have
// been written, or may be written twice. Any other error ends this: it is that of all
// events that are not done yet.
func Write(evs []actions.Event, encode func(dst []byte, ev *actions.Event) ([]byte, error), send func(evs []actions.Event, body []byte) error) []error {
	w := writer{send: send, evs: evs, errs: make([]error, len(evs)), places: make([]int, 0, len(evs)), ends: make([]int, 1, len(evs)+1)}
	for i := range evs {
		before := len(w.body)
		body, err := encode(w.body, &evs[i])
		if err != nil {
			w.body = body[:before]
			w.errs[i] = actions.Permanent(err)
			continue
		}
		if w.body = body; len(body) > before {
			w.places = append(w.places, i)
			w.ends = append(w.ends, len(body))
		}
	}
	switch len(w.places) {
	case 0:
		return w.errs
	case len(evs):
	default:
		w.evs = make([]actions.Event, len(w.places))
		for i, place := range w.places {
			w.evs[i] = evs[place]
		}
	}
	w.write(0, len(w.places))
	return w.errs
}

type writer struct {
	send   func(evs []actions.Event, body []byte) error
	evs    []actions.Event // those with lines
	places []int           // theirs in errs
	body   []byte
	ends   []int // ends[i] is where the lines of evs[i] begin
	errs   []error
}

// write writes some events, and reports whether to go on.
func (w *writer) write(from, to int) bool {
	err := w.send(w.evs[from:to:to], w.body[w.ends[from]:w.ends[to]:w.ends[to]])
	switch {
	case err == nil:
		return true
	case !errors.Is(err, actions.ErrPermanent):
		for _, place := range w.places[from:] {
			w.errs[place] = err
		}
		return false
	case to-from == 1:
		w.errs[w.places[from]] = err
		return true
	}
	middle := from + (to-from)/2
	return w.write(from, middle) && w.write(middle, to)
}
