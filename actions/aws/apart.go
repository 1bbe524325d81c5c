package aws

import (
	"errors"
	"net/http"
	"slices"

	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/thinghub/thinghub/actions"
)

// apart calls for n items together; call makes one call for items from up to to, and
// returns an error of judge. A service that takes all or nothing says of one bad item only
// that the call is wrong: then the halves are tried, in their order, until it is known which
// one that is, and the others are taken. failed is told the items that were not.
//
// After an error that passes no further call is made: what is left failed by that, so that
// nothing overtakes what comes again.
func apart(n int, call func(from, to int) error, failed func(item int, err error)) {
	var (
		ended error // passes
		try   func(from, to int)
	)
	try = func(from, to int) {
		err := ended
		if err == nil {
			if err = call(from, to); err == nil {
				return
			}
		}
		switch {
		case !errors.Is(err, actions.ErrPermanent):
			ended = err
		case to-from > 1 && blamesItems(err):
			middle := from + (to-from)/2
			try(from, middle)
			try(middle, to)
			return
		}
		for i := from; i < to; i++ {
			failed(i, err)
		}
	}
	if n > 0 {
		try(0, n)
	}
}

// blamesItems reports whether an error for good may be that of single items of a call, not
// of what they all go to.
func blamesItems(err error) bool {
	var (
		api    smithy.APIError
		answer *smithyhttp.ResponseError
	)
	if !errors.As(err, &api) || !errors.As(err, &answer) || slices.Contains(standing, api.ErrorCode()) {
		return false
	}
	return answer.HTTPStatusCode() == http.StatusBadRequest || answer.HTTPStatusCode() == http.StatusRequestEntityTooLarge
}
