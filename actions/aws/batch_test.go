package aws

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	smithy "github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

// TestInBatches checks how a role is found that may make single calls only.
func TestInBatches(t *testing.T) {
	denial := judge(&smithy.GenericAPIError{Code: "AccessDeniedException"}, false)
	busy := errors.New("busy")
	bad := actions.Permanent(errors.New("bad"))
	for name, c := range map[string]struct {
		batch   error
		single  func(i int) error
		calls   string // b for a batch, numbers for items
		want    string
		alone   bool
		already bool
	}{
		"all well":           {nil, nil, "b", "---", false, false},
		"busy":               {busy, nil, "b", "aaa", false, false},
		"not allowed":        {denial, func(int) error { return denial }, "b0", "aaa", false, false},
		"single ones":        {denial, func(int) error { return nil }, "b012", "---", true, false},
		"one is bad":         {denial, func(i int) error { return []error{bad, nil, bad}[i] }, "b012", "p-p", true, false},
		"nobody knows":       {denial, func(int) error { return busy }, "b0", "aaa", false, false},
		"busy in the middle": {denial, func(i int) error { return []error{nil, busy, nil}[i] }, "b01", "-aa", true, false},
		"known":              {nil, func(i int) error { return []error{nil, bad, busy}[i] }, "012", "-pa", true, true},
		"known and busy":     {nil, func(int) error { return busy }, "0", "aaa", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			var alone atomic.Bool
			alone.Store(c.already)
			calls, errs := "", make([]error, 3)
			inBatches(3, &alone, func(int, int) error {
				calls += "b"
				return c.batch
			}, func(i int) error {
				calls += fmt.Sprint(i)
				return c.single(i)
			}, func(i int, err error) { errs[i] = err })
			got := ""
			for _, err := range errs {
				got += map[string]string{"well": "-", "again": "a", "permanent": "p"}[kindOf(err)]
			}
			require.Equal(t, c.calls, calls)
			require.Equal(t, c.want, got)
			require.Equal(t, c.alone, alone.Load())
		})
	}
}
