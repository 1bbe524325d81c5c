package registry_test

import (
	"regexp"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry"
)

// What the service takes is what the patterns of the AWS model take.
var (
	modelName      = regexp.MustCompile(`^[a-zA-Z0-9:_-]+$`)
	modelAttrName  = regexp.MustCompile(`^[a-zA-Z0-9_.,@/:#-]+$`)
	modelAttrValue = regexp.MustCompile(`^[a-zA-Z0-9_.,@/:#=\[\]-]*$`)
	modelTagKey    = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)
	reservedTag    = regexp.MustCompile(`(?i)^aws:`)
)

func matches(re *regexp.Regexp, s string, least, most int) bool {
	n := utf8.RuneCountInString(s)
	return n >= least && n <= most && utf8.ValidString(s) && re.MatchString(s) && s[max(0, len(s)-1):] != "\n"
}

func FuzzCreateThing(f *testing.F) {
	f.Add("pump-1", "site", "north")
	f.Add("a:b_c-9", "a.b,c@d/e:f#g-h_i", "[x=1]")
	f.Add("a\n", "", "ü")
	f.Add("a/b", "a b", "a b")
	f.Fuzz(func(t *testing.T, name, key, value string) {
		s := newService(t)
		got, err := s.CreateThing(t.Context(), registry.CreateThingInput{Name: name, Attributes: map[string]string{key: value}})
		good := matches(modelName, name, 1, 128) && matches(modelAttrName, key, 1, 128) && matches(modelAttrValue, value, 0, 800)
		if !good {
			is(t, err, registry.ErrInvalid, "1 validation error detected")
			things, _, err := s.ListThings(t.Context(), registry.ThingFilter{}, registry.Page{})
			require.NoError(t, err)
			require.Empty(t, things, "what was refused must leave nothing")
			return
		}
		require.NoError(t, err)
		stored, err := s.DescribeThing(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, got, stored)
		require.Equal(t, value, stored.Attributes[key])
	})
}

func FuzzTagResource(f *testing.F) {
	f.Add("team", "north", arnPrefix+"thing/a")
	f.Add("aws:x", "", "arn:aws:iot:eu-west-1:123456789012:thing/a")
	f.Add("Ä b", "ü", "arn:aws:iot:::thing/a")
	f.Add("a&b", "\xff", "a")
	f.Fuzz(func(t *testing.T, key, value, resource string) {
		s := newService(t)
		create(t, s, "a")
		err := s.TagResource(t.Context(), s.ThingARN("a"), map[string]string{key: value})
		good := matches(modelTagKey, key, 1, 128) && !reservedTag.MatchString(key) && utf8.ValidString(value) && utf8.RuneCountInString(value) <= 256
		if good {
			require.NoError(t, err)
			tags, _, err := s.ListTagsForResource(t.Context(), s.ThingARN("a"), registry.Page{})
			require.NoError(t, err)
			require.Equal(t, []registry.Tag{{Key: key, Value: value}}, tags)
		} else {
			is(t, err, registry.ErrInvalid, "tags.member")
		}
		if err := s.TagResource(t.Context(), resource, nil); err != nil {
			require.NotEqual(t, s.ThingARN("a"), resource)
		} else {
			require.Equal(t, s.ThingARN("a"), resource)
		}
	})
}

func FuzzPageToken(f *testing.F) {
	s, err := registry.New(registry.Config{})
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		if _, err := s.CreateThing(f.Context(), registry.CreateThingInput{Name: name}); err != nil {
			f.Fatal(err)
		}
	}
	_, good, err := s.ListThings(f.Context(), registry.ThingFilter{}, registry.Page{Max: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("AAAA")
	f.Add("\x00")
	f.Fuzz(func(t *testing.T, token string) {
		things, _, err := s.ListThings(t.Context(), registry.ThingFilter{}, registry.Page{Token: token})
		switch token {
		case "":
			require.Len(t, things, 3)
		case good:
			require.Len(t, things, 2)
		default:
			if err != nil {
				require.Equal(t, "nextToken", as(t, err, registry.ErrInvalid, "").Field)
			}
		}
	})
}
