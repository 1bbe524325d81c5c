package access_test

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/policy"
)

// Who makes a policy is told of its traps, by the log and by what is returned.
func TestWarnings(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := newStage(t, func(c *access.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	codes := func(all []policy.Warning) (codes []string) {
		for _, w := range all {
			codes = append(codes, w.Code)
		}
		return codes
	}
	fine := allow("iot:Publish", prefix+"topic/a/*")
	p, err := s.CreatePolicy(t.Context(), "p", fine)
	require.NoError(t, err)
	require.Empty(t, p.Warnings())
	require.Empty(t, log.String())

	v, err := s.CreatePolicyVersion(t.Context(), "p", allow("iot:Subscribe", prefix+"topic/a/*"), true)
	require.NoError(t, err)
	require.Equal(t, []string{policy.WarnKind, policy.WarnNoReceive}, codes(v.Warnings()))
	require.Contains(t, log.String(), `level=WARN msg="access: a policy has a trap" policy=p version=2 where=Statement[0].Resource what="iot:Subscribe needs topicfilter/`)
	require.Contains(t, log.String(), "version=2 where=Statement[0] ")
	p, err = s.GetPolicy(t.Context(), "p")
	require.NoError(t, err)
	require.Equal(t, v.Warnings(), p.Warnings(), "those of the default version")

	log.Reset()
	_, err = s.CreatePolicy(t.Context(), "p", allow("iot:Connect", "*"))
	require.ErrorIs(t, err, access.ErrExists)
	require.Empty(t, log.String(), "nothing was made")
	p, err = s.CreatePolicy(t.Context(), "q", allow("iot:Connect", "*"))
	require.NoError(t, err)
	require.Equal(t, []string{policy.WarnAnyClient}, codes(p.Warnings()))
	require.Contains(t, log.String(), "policy=q version=1")
	require.Empty(t, access.Policy{Document: "{}"}.Warnings())
}
