package post_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/internal/post"
)

// TestWrite checks, for many batches: what the sink refuses fails, and so does what cannot
// be encoded; what comes before an outage is written once and in order; nothing after it is
// written.
func TestWrite(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	passing := errors.New("down")
	for range 2000 {
		n := 1 + r.IntN(40)
		evs := make([]actions.Event, n)
		kinds := make([]string, n)
		for i := range evs {
			kinds[i] = []string{"good", "good", "good", "good", "bad", "broken", "empty"}[r.IntN(7)]
			evs[i].Payload = fmt.Appendf(nil, "%s %d\n", kinds[i], i)
		}
		outage := -1
		if r.IntN(2) == 0 {
			outage = r.IntN(n)
		}
		var written strings.Builder
		calls := 0
		errs := post.Write(evs, func(dst []byte, ev *actions.Event) ([]byte, error) {
			switch {
			case strings.HasPrefix(string(ev.Payload), "broken"):
				return append(dst, "half of"...), errors.New("broken")
			case strings.HasPrefix(string(ev.Payload), "empty"):
				return dst, nil
			}
			return append(dst, ev.Payload...), nil
		}, func(evs []actions.Event, body []byte) error {
			calls++
			var want []byte
			for _, ev := range evs {
				want = append(want, ev.Payload...)
			}
			require.Equal(t, string(want), string(body), "the body is that of the events")
			switch {
			case strings.Contains(string(body), "bad"):
				return actions.Permanent(errors.New("refused"))
			case strings.Contains(string(body), fmt.Sprintf(" %d\n", outage)):
				return passing
			}
			written.Write(body)
			return nil
		})
		require.Len(t, errs, n)
		var want strings.Builder
		over, sent := false, 0
		for i, kind := range kinds {
			if kind == "good" || kind == "bad" {
				sent++
			}
			switch {
			case kind == "broken":
				require.EqualError(t, errs[i], "broken")
				require.ErrorIs(t, errs[i], actions.ErrPermanent)
			case kind == "empty":
				require.NoError(t, errs[i])
			case errors.Is(errs[i], passing):
				over = true
			case over:
				t.Fatalf("%d was tried after the outage: %v", i, errs[i])
			case kind == "bad":
				require.ErrorIs(t, errs[i], actions.ErrPermanent)
			default:
				require.NoError(t, errs[i])
				want.Write(evs[i].Payload)
			}
		}
		require.Equal(t, want.String(), written.String())
		require.Equal(t, outage >= 0 && kinds[outage] == "good", over)
		require.LessOrEqual(t, calls, max(0, 2*sent-1))
	}
}
