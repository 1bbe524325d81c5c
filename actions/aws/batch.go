package aws

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/thinghub/thinghub/actions"
)

// all makes err the error of all events.
func all(evs []actions.Event, err error) []error {
	errs := make([]error, len(evs))
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// one is Do by DoBatch.
func one(ctx context.Context, a actions.Batcher, ev actions.Event) error {
	return a.DoBatch(ctx, []actions.Event{ev})[0]
}

// errUnanswered is what became of an entry that an answer does not mention.
var errUnanswered = errors.New("the answer does not say what became of it")

// byParam is the Batch.Key of an action whose resource is the first of its parameters: nil
// if it is the same for all events.
func byParam(text string) func(ev actions.Event) string {
	if !templated(text) {
		return nil
	}
	return func(ev actions.Event) string { return ev.Params[0] }
}

// resource is what a report calls the resource of an action: its first parameter, or its
// text if that could not be rendered.
func resource(text string, ev actions.Event) string {
	if len(ev.Params) > 0 && ev.Params[0] != "" {
		return ev.Params[0]
	}
	return text
}

// checkBody checks a payload that goes as a text.
func checkBody(p []byte, most int, otherwise string) error {
	switch {
	case len(p) == 0:
		return actions.Permanent(errors.New("the payload is empty, which the service refuses"))
	case len(p) > most:
		return tooLarge(len(p), most)
	case !utf8.Valid(p):
		return actions.Permanent(errors.New("the payload is not UTF-8" + otherwise))
	case strings.ContainsFunc(string(p), func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff
	}):
		return actions.Permanent(errors.New("the payload has control characters, which the service refuses" + otherwise))
	}
	return nil
}

func tooLarge(is, most int) error {
	return actions.Permanent(errors.New("the payload makes " + strconv.Itoa(is) + " bytes, the service takes " + strconv.Itoa(most)))
}

// inBatches is apart for a service that has a call for one item besides, and needs its own
// permission for each: a role that was made for the rules of AWS may make the single one
// only. Once that is noticed, alone says so.
func inBatches(n int, alone *atomic.Bool, call func(from, to int) error, single func(i int) error, failed func(i int, err error)) {
	first := true
	if !alone.Load() {
		refused := false
		apart(n, func(from, to int) error {
			err := call(from, to)
			refused = refused || denied(err)
			return err
		}, failed)
		if !refused {
			return
		}
		err := single(0)
		if denied(err) {
			return // not even that
		}
		failed(0, err)
		if comesAgain(err) {
			for i := 1; i < n; i++ {
				failed(i, err)
			}
			return
		}
		alone.Store(true)
		first = false
	}
	var ended error
	for i := range n {
		if i == 0 && !first {
			continue
		}
		err := ended
		if err == nil {
			if err = single(i); comesAgain(err) {
				ended = err // nothing overtakes what comes again
			}
		}
		failed(i, err)
	}
}

// comesAgain reports whether there is an error that passes.
func comesAgain(err error) bool { return err != nil && !errors.Is(err, actions.ErrPermanent) }

// checkName checks the name of a stream or a table, unless it has templates.
func checkName(field, name string, most int) error {
	if name == "" {
		return actions.WrongField(field, "", "a name")
	}
	if !templated(name) && (len(name) > most || strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
	})) {
		return actions.WrongField(field, name, "a name of at most "+strconv.Itoa(most)+" letters, digits and _-.")
	}
	return nil
}
