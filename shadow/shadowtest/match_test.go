package shadowtest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow/shadowtest"
)

func TestMatcher(t *testing.T) {
	t.Parallel()
	now := time.Now().Unix()
	for _, c := range []struct {
		want, got string
		why       string // "": they match
	}{
		{`{"a":1,"b":[true,"x",null]}`, `{"b":[true,"x",null],"a":1.0}`, ""},
		{`{"a":1}`, `{"a":2}`, "/a is 2, expected 1"},
		{`{"a":1}`, `{"a":"1"}`, "/a is 1, expected 1"},
		{`{"a":9007199254740993}`, `{"a":9007199254740992}`, "/a is"},
		{`{"a":1}`, `{}`, "/a is missing"},
		{`{"a":null}`, `{}`, "/a is missing"},
		{`{}`, `{"a":null}`, "/a is <nil>, expected none"},
		{`{"a":{"b":1}}`, `{"a":{"b":1,"c":2}}`, "/a/c is 2, expected none"},
		{`[1,2]`, `[2,1]`, "/0 is 2, expected 1"},
		{`[1]`, `[1,2]`, "the whole is"},
		{`{}`, `[]`, "the whole is"},
		{`null`, ``, ""},
		{`null`, `{}`, "the whole is"},
		{`{}`, `null`, "the whole is"},
		{`"$any"`, `5`, ""},
		{`{"a":"$any"}`, `{}`, "/a is missing"},
		{`{"a":"$optional","b":"$null_or_absent"}`, `{}`, ""},
		{`{"a":"$optional","b":"$null_or_absent"}`, `{"a":7,"b":null}`, ""},
		{`{"b":"$null_or_absent"}`, `{"b":1}`, "/b is 1"},
		{`"$gt:4"`, `5`, ""},
		{`"$gt:5"`, `5`, "expected $gt:5"},
		{`"$prefix:ab"`, `"abc"`, ""},
		{`"$prefix:ab"`, `"ac"`, "expected $prefix:ab"},
		{`"$ts"`, fmt.Sprint(now), ""},
		{`"$ts"`, fmt.Sprint(now - 200), "expected $ts"},
		{`"$ts"`, fmt.Sprint(now * 1000), "expected $ts"},
		{`"$ts"`, fmt.Sprintf("%d.5", now), "expected $ts"},
		{`["$ts#a","$ts#a"]`, fmt.Sprintf("[%d,%d]", now, now), ""},
		{`["$ts#a","$ts#a"]`, fmt.Sprintf("[%d,%d]", now, now+1), "/1 is"},
		{`["$ts#a","$ts>a"]`, fmt.Sprintf("[%d,%d]", now, now+1), ""},
		{`["$ts#a","$ts>a"]`, fmt.Sprintf("[%d,%d]", now, now), "/1 is"},
		{`["$ts>a"]`, fmt.Sprintf("[%d]", now), "/0 is"},
		{`{"$fill":3}`, `"xxx"`, ""},
		{`{"a":{"$fill":3}}`, `{"a":"xx"}`, "/a is xx"},
		{`{`, `{}`, "the expectation is not JSON"},
		{`{}`, `{`, "is not JSON"},
	} {
		var got []byte
		if c.got != "" {
			got = []byte(c.got)
		}
		err := shadowtest.NewMatcher().Match([]byte(c.want), got)
		if c.why == "" {
			require.NoError(t, err, c)
		} else {
			require.ErrorContains(t, err, c.why, c)
		}
	}
	require.NoError(t, shadowtest.NewMatcher().MatchSome([]byte(`{"a":1}`), []byte(`{"a":1,"b":2}`)))
	require.Error(t, shadowtest.NewMatcher().MatchSome([]byte(`{"a":{}}`), []byte(`{"a":{"b":1}}`)))
}
