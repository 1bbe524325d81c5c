package aws

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

// answered is the error of a call that was answered.
func answered(status int, code string) error {
	return &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: &smithy.GenericAPIError{Code: code},
	}
}

func TestApart(t *testing.T) {
	again := errors.New("throttled")
	for name, c := range map[string]struct {
		n       int
		bad     []int // items that spoil a call
		missing bool  // what they all go to is
		end     int   // the call, from 1, that fails and passes
		took    string
		failed  string
		calls   int
	}{
		"none":              {n: 0, took: "[]", failed: "map[]"},
		"one":               {n: 1, took: "[0]", failed: "map[]", calls: 1},
		"all well":          {n: 5, took: "[0 1 2 3 4]", failed: "map[]", calls: 1},
		"one bad alone":     {n: 1, bad: []int{0}, took: "[]", failed: "map[0:permanent]", calls: 1},
		"one bad":           {n: 8, bad: []int{5}, took: "[0 1 2 3 4 6 7]", failed: "map[5:permanent]", calls: 7},
		"first and last":    {n: 5, bad: []int{0, 4}, took: "[1 2 3]", failed: "map[0:permanent 4:permanent]", calls: 9},
		"all bad":           {n: 3, bad: []int{0, 1, 2}, took: "[]", failed: "map[0:permanent 1:permanent 2:permanent]", calls: 5},
		"no such queue":     {n: 3, missing: true, took: "[]", failed: "map[0:permanent 1:permanent 2:permanent]", calls: 1},
		"passes":            {n: 3, end: 1, took: "[]", failed: "map[0:again 1:again 2:again]", calls: 1},
		"passes in between": {n: 8, bad: []int{1}, end: 5, took: "[0]", failed: "map[1:permanent 2:again 3:again 4:again 5:again 6:again 7:again]", calls: 6},
	} {
		t.Run(name, func(t *testing.T) {
			took, failed, calls := []int{}, map[int]string{}, 0
			apart(c.n, func(from, to int) error {
				require.Less(t, from, to)
				calls++
				if c.end != 0 && calls == c.end+1 || c.end == 1 {
					return judge(again, false)
				}
				if c.missing {
					return judge(answered(400, "ResourceNotFoundException"), true)
				}
				for _, bad := range c.bad {
					if from <= bad && bad < to {
						return judge(answered(400, "ValidationException"), false)
					}
				}
				for i := from; i < to; i++ {
					took = append(took, i)
				}
				return nil
			}, func(i int, err error) {
				require.NotContains(t, failed, i)
				failed[i] = kindOf(err)
				require.Equal(t, failed[i] == "permanent", errors.Is(err, actions.ErrPermanent))
			})
			require.Equal(t, c.took, fmt.Sprint(took))
			require.Equal(t, c.failed, fmt.Sprint(failed))
			require.Equal(t, c.calls, calls)
		})
	}
}
