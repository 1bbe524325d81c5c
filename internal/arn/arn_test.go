package arn_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/arn"
)

func TestScope(t *testing.T) {
	t.Parallel()
	require.Equal(t, "arn:aws:iot:local:000000000000:thing/a", arn.Scope{}.IoT("thing/a"))
	s := arn.Scope{Partition: "aws-cn", Region: "cn-north-1", Account: "123456789012"}
	require.Equal(t, "arn:aws-cn:iam:cn-north-1:123456789012:role/r", s.Of("iam", "role/r"))
	require.NoError(t, s.Check())
	require.NoError(t, arn.Scope{}.Check())
	for _, bad := range []string{"a b", "a:b", "+", "#", "a/b", "*", "\x00"} {
		require.ErrorContains(t, arn.Scope{Region: bad}.Check(), "Region is ")
		require.ErrorContains(t, arn.Scope{Account: bad}.Check(), "Account is ")
		require.ErrorContains(t, arn.Scope{Partition: bad}.Check(), "Partition is ")
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	n, err := arn.Parse("arn:aws:iot:eu-west-1:123:topicfilter/a/b:c")
	require.NoError(t, err)
	require.Equal(t, arn.Name{Scope: arn.Scope{Partition: "aws", Region: "eu-west-1", Account: "123"}, Service: "iot", Resource: "topicfilter/a/b:c"}, n)
	kind, id := n.Split()
	require.Equal(t, "topicfilter", kind)
	require.Equal(t, "a/b:c", id)
	for _, bad := range []string{"", "arn", "arn:aws:iot:r:a", "arn:aws:iot:r:a:", "arn::iot:r:a:x", "arn:aws::r:a:x", "urn:aws:iot:r:a:x"} {
		_, err := arn.Parse(bad)
		require.ErrorContains(t, err, "is not a resource name", bad)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("arn:aws:iot:eu-west-1:123:thing/a")
	f.Add("arn:::::")
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := arn.Parse(s); err == nil {
			require.Equal(t, s, n.String())
		}
	})
}
