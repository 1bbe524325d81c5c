package aws

import (
	"context"
	"errors"
	"strconv"
	"strings"
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

// checkLen checks the length of a text without templates.
func checkLen(field, text string, least, most int) error {
	if text == "" && least > 0 {
		return wrong(field, "", "a text")
	}
	if n := len(text); !templated(text) && (n < least || n > most) {
		return wrong(field, text, "a text of "+strconv.Itoa(least)+" to "+strconv.Itoa(most)+" bytes")
	}
	return nil
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
