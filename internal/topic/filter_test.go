package topic_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/topic"
)

func TestCheckName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", topic.MaxLen)
	for _, tt := range []struct {
		about, name, reason string
	}{
		{"one level", "a", ""},
		{"slash alone", "/", ""},
		{"two slashes", "//", ""},
		{"leading and trailing slash", "/a/", ""},
		{"space", " ", ""},
		{"system", "$SYS/uptime", ""},
		{"case and spaces", "ACCOUNTS/Über uns", ""},
		{"byte order mark", "\ufeffa", ""},
		{"beyond the basic plane", "a/\U0002A6D4", ""},
		{"control character", "a\x01b", ""},
		{"as long as it may be", long, ""},
		{"only slashes", strings.Repeat("/", topic.MaxLen), ""},
		{"empty", "", "must not be empty"},
		{"too long", long + "x", "longer than 65535 bytes"},
		{"null", "a\x00b", "contains the null character"},
		{"surrogate", "a\xed\xa0\x80", "is not valid UTF-8"},
		{"overlong", "\xc0\xaf", "is not valid UTF-8"},
		{"truncated", "a\xe2\x82", "is not valid UTF-8"},
		{"above the last code point", "\xf4\x90\x80\x80", "is not valid UTF-8"},
		{"plus", "a/+", `"+" is allowed in filters only`},
		{"plus inside a level", "a+b", `"+" is allowed in filters only`},
		{"hash", "#", `"#" is allowed in filters only`},
		{"hash inside a level", "a/b#", `"#" is allowed in filters only`},
	} {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			requireInvalid(t, topic.CheckName(tt.name), "topic name", tt.reason)
		})
	}
}

func TestCheckFilter(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", topic.MaxLen-2) + "/#"
	for _, tt := range []struct {
		about, filter, reason string
	}{
		{"no wildcard", "sport/tennis", ""},
		{"slash alone", "/", ""},
		{"two slashes", "//", ""},
		{"hash alone", "#", ""},
		{"hash last", "sport/tennis/#", ""},
		{"hash below nothing", "/#", ""},
		{"plus alone", "+", ""},
		{"plus and hash", "+/tennis/#", ""},
		{"plus between", "sport/+/player1", ""},
		{"plus beside empty levels", "/+//+/", ""},
		{"all plus", "+/+/+", ""},
		{"share is text here", "$share/g/a", ""},
		{"dollar wildcard", "$SYS/#", ""},
		{"as long as it may be", long, ""},
		{"empty", "", "must not be empty"},
		{"too long", "x" + long, "longer than 65535 bytes"},
		{"null", "a/\x00/#", "contains the null character"},
		{"not UTF-8", "a/\xff/#", "is not valid UTF-8"},
		{"hash behind text", "sport/tennis#", `"#" must be alone in its level`},
		{"hash before text", "#a", `"#" must be alone in its level`},
		{"hash twice", "##", `"#" must be alone in its level`},
		{"hash not last", "sport/tennis/#/ranking", `"#" must be the last level`},
		{"hash first of two", "#/a", `"#" must be the last level`},
		{"hash and empty level", "#/", `"#" must be the last level`},
		{"hash levels", "#/#", `"#" must be the last level`},
		{"plus behind text", "sport+", `"+" must be alone in its level`},
		{"plus before text", "a/+b/c", `"+" must be alone in its level`},
		{"plus twice", "++", `"+" must be alone in its level`},
		{"plus hash", "+#", `"+" must be alone in its level`},
		{"hash plus", "a/#+", `"#" must be alone in its level`},
	} {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			requireInvalid(t, topic.CheckFilter(tt.filter), "topic filter", tt.reason)
		})
	}
}

func TestParseShared(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		filter, group, inner string
		shared               bool
	}{
		{"$share/g/a", "g", "a", true},
		{"$share/g/a/+/#", "g", "a/+/#", true},
		{"$share/g/#", "g", "#", true},
		{"$share/g//", "g", "/", true},
		{"$share/g//finance", "g", "/finance", true},
		{"$share/a group/$SYS/x", "a group", "$SYS/x", true},
		{"$share/$share/$share/x/y", "$share", "$share/x/y", true},
		{"$SHARE/g/a", "", "$SHARE/g/a", false},
		{"$shared/g/a", "", "$shared/g/a", false},
		{"$shar", "", "$shar", false},
		{"/$share/g/a", "", "/$share/g/a", false},
		{"a/+/#", "", "a/+/#", false},
	} {
		t.Run(tt.filter, func(t *testing.T) {
			t.Parallel()
			group, inner, shared, err := topic.ParseShared(tt.filter)
			require.NoError(t, err)
			require.Equal(t, tt.group, group)
			require.Equal(t, tt.inner, inner)
			require.Equal(t, tt.shared, shared)
		})
	}
}

func TestParseSharedRefuses(t *testing.T) {
	t.Parallel()
	const (
		noName   = `"$share/" must be followed by a share name`
		noFilter = `the share name must be followed by "/" and a filter`
		wild     = `must not contain "+" or "#"`
	)
	for _, tt := range []struct{ filter, kind, reason string }{
		{"$share", "topic filter", noName},
		{"$share/", "topic filter", noName},
		{"$share//x", "share name", "must not be empty"},
		{"$share//", "share name", "must not be empty"},
		{"$share/g", "topic filter", noFilter},
		{"$share/g/", "topic filter", noFilter},
		{"$share/+/x", "share name", wild},
		{"$share/#/x", "share name", wild},
		{"$share/g+/x", "share name", wild},
		{"$share/#", "share name", wild},
		{"$share/g/a#", "topic filter", `"#" must be alone in its level`},
		{"$share/g/#/a", "topic filter", `"#" must be the last level`},
		{"$share/g\x00/a", "topic filter", "contains the null character"},
		{"$share/\xff/a", "topic filter", "is not valid UTF-8"},
		{"$share/g/" + strings.Repeat("x", topic.MaxLen), "topic filter", "longer than 65535 bytes"},
		{"", "topic filter", "must not be empty"},
		{"a/#/b", "topic filter", `"#" must be the last level`},
	} {
		name := tt.filter
		if len(name) > 40 {
			name = name[:40]
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			group, inner, shared, err := topic.ParseShared(tt.filter)
			requireInvalid(t, err, tt.kind, tt.reason)
			require.Empty(t, group)
			require.Empty(t, inner)
			require.False(t, shared)
		})
	}
}

// requireInvalid wants no error if reason is empty.
func requireInvalid(t *testing.T, err error, kind, reason string) {
	t.Helper()
	if reason == "" {
		require.NoError(t, err)
		return
	}
	var e *topic.Error
	require.ErrorAs(t, err, &e)
	require.ErrorIs(t, err, topic.ErrInvalid)
	require.Equal(t, kind, e.Kind)
	require.Equal(t, reason, e.Reason)
}

func TestErrorIsForPeople(t *testing.T) {
	t.Parallel()
	require.EqualError(t, topic.CheckFilter("a/#/b"), `topic filter "a/#/b": "#" must be the last level`)
	require.EqualError(t, topic.CheckName("a\n\x00"), `topic name "a\n\x00": contains the null character`)
}

func TestErrorCutsLongText(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		strings.Repeat("a", 1000) + "#",
		strings.Repeat("ä", 1000) + "#",
		"x" + strings.Repeat("ä", 1000) + "#",
		strings.Repeat("\x80", 1000),
	} {
		err := topic.CheckName(value)
		var e *topic.Error
		require.True(t, errors.As(err, &e))
		require.Less(t, len(e.Value), 400)
		require.True(t, strings.HasSuffix(e.Value, `"...`))
		require.NotContains(t, e.Value, "\ufffd")
	}
	require.NotContains(t, topic.CheckName("x"+strings.Repeat("ä", 1000)+"#").Error(), `\x`)
}

func TestLevels(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int{"": 1, "a": 1, "/": 2, "//": 3, "a/b": 2, "/a/": 3, "a/+/#": 3} {
		require.Equal(t, want, topic.Levels(s), "%q", s)
	}
}

func TestHasWildcard(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"a": false, "/": false, "$SYS": false, "#": true, "+": true, "a/#": true, "a/+/b": true,
	} {
		require.Equal(t, want, topic.HasWildcard(s), "%q", s)
	}
}
