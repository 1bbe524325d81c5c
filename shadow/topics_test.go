package shadow_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	for topic, want := range map[string]shadow.Kind{
		"$aws/things/t/shadow/get":                         shadow.Request,
		"$aws/things/t/shadow/update":                      shadow.Request,
		"$aws/things/t/shadow/delete":                      shadow.Request,
		"$aws/things/t/shadow/name/s/get":                  shadow.Request,
		"$aws/things/t/shadow/name/s/update":               shadow.Request,
		"$aws/things/t/shadow/name/s/delete":               shadow.Request,
		"$aws/things/shadow/shadow/get":                    shadow.Request, // a thing called shadow
		"$aws/things/t/shadow/name/get/get":                shadow.Request, // a shadow called get
		"$aws/things/t/shadow/name/name/update":            shadow.Request,
		"$aws/things/t/shadow/name//update":                shadow.Request, // rejected on its own topic
		"$aws/things//shadow/update":                       shadow.Request,
		"$aws/things/+/shadow/update":                      shadow.Request,
		"$aws/things/t/shadow/get/accepted":                shadow.Answer,
		"$aws/things/t/shadow/get/rejected":                shadow.Answer,
		"$aws/things/t/shadow/update/accepted":             shadow.Answer,
		"$aws/things/t/shadow/update/rejected":             shadow.Answer,
		"$aws/things/t/shadow/update/delta":                shadow.Answer,
		"$aws/things/t/shadow/update/documents":            shadow.Answer,
		"$aws/things/t/shadow/delete/accepted":             shadow.Answer,
		"$aws/things/t/shadow/delete/rejected":             shadow.Answer,
		"$aws/things/t/shadow/name/s/update/delta":         shadow.Answer,
		"$aws/things/t/shadow/name/update/update/accepted": shadow.Answer,
		"$aws/things/t/shadow/name//get/rejected":          shadow.Answer,
		"$aws/things/t/shadow":                             shadow.Unknown,
		"$aws/things/t/shadow/":                            shadow.Unknown,
		"$aws/things/t/shadow/name":                        shadow.Unknown,
		"$aws/things/t/shadow/name/s":                      shadow.Unknown,
		"$aws/things/t/shadow/name/s/":                     shadow.Unknown,
		"$aws/things/t/shadow/get/delta":                   shadow.Unknown,
		"$aws/things/t/shadow/delete/documents":            shadow.Unknown,
		"$aws/things/t/shadow/update/":                     shadow.Unknown,
		"$aws/things/t/shadow/update/accepted/x":           shadow.Unknown,
		"$aws/things/t/shadow/Update":                      shadow.Unknown,
		"$aws/things/t/shadow/list":                        shadow.Unknown,
		"$aws/things/t/shadow/name/a/b/update":             shadow.Unknown,
		"$aws/things/t/jobs/get":                           shadow.NotShadow,
		"$aws/things/t":                                    shadow.NotShadow,
		"$aws/things/":                                     shadow.NotShadow,
		"$aws/thing/t/shadow/get":                          shadow.NotShadow,
		"aws/things/t/shadow/get":                          shadow.NotShadow,
		"/$aws/things/t/shadow/get":                        shadow.NotShadow,
		"$AWS/things/t/shadow/get":                         shadow.NotShadow,
		"$aws/things/t/x/shadow/get":                       shadow.NotShadow,
		"":                                                 shadow.NotShadow,
	} {
		require.Equal(t, want, shadow.Classify(topic), "%q", topic)
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	for _, k := range []shadow.Key{
		{Thing: "a"}, {Thing: "A-z_0:9"}, {Thing: strings.Repeat("a", 128)}, {Thing: "a", Name: strings.Repeat("b", 64)}, {Thing: "a", Name: ":"},
	} {
		require.NoError(t, k.Validate(), k)
	}
	for _, k := range []shadow.Key{
		{},
		{Name: "s"},
		{Thing: strings.Repeat("a", 129)},
		{Thing: "a", Name: strings.Repeat("b", 65)},
		{Thing: "a b"},
		{Thing: "a/b"},
		{Thing: "a\x00"},
		{Thing: "+"},
		{Thing: "#"},
		{Thing: "é"},
		{Thing: "a", Name: "a.b"},
		{Thing: "a", Name: "a/b"},
		{Thing: "a;"},
		{Thing: "a@"},
		{Thing: "\xff"},
	} {
		err := k.Validate()
		require.ErrorIs(t, err, shadow.ErrInvalid, "%q", k)
		require.Equal(t, 400, shadow.CodeOf(err))
	}
	require.Equal(t, "a", shadow.Key{Thing: "a"}.String())
	require.Equal(t, "a~b", shadow.Key{Thing: "a", Name: "b"}.String())
}
