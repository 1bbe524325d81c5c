package search_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/search"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg  search.Config
		want string
	}{
		{search.Config{}, "search: URLs are missing"},
		{search.Config{URLs: []string{"10.0.0.1:9200"}}, "search: URLs[0] is no URL, or one with a user, expected a URL without a user"},
		{search.Config{URLs: []string{"https://a", "ftp://x"}}, `search: URLs[1] is "ftp://x", expected a URL that begins with https:// and a host`},
		{search.Config{URLs: []string{"https://u:secret@a"}}, "search: URLs[0] is no URL, or one with a user, expected a URL without a user"},
		{search.Config{URLs: []string{"https://a?pretty"}}, `search: URLs[0] is "https://a?pretty", expected a URL of a host, without a query and a fragment`},
		{search.Config{URLs: []string{"https://a"}, Aliases: []string{"https://"}}, `search: Aliases[0] is "https://", expected a URL that begins with https:// and a host`},
		{search.Config{URLs: []string{"https://a"}, Refresh: "now"}, `search: Refresh is "now", expected true, wait_for or nothing`},
		{search.Config{URLs: []string{"https://a"}, Sink: actions.SinkConfig{Kind: "solr"}}, `search: the kind of the sink is "solr", expected openSearch or elasticsearch`},
	} {
		_, err := search.New(c.cfg)
		require.EqualError(t, err, c.want)
	}
	c := client(t, search.Config{}, "http://a")
	require.Equal(t, "default", c.Name())
	require.Equal(t, "openSearch", c.Sink().Kind())
	require.Equal(t, "openSearch", c.Put(search.Document{}).Kind())
	c = client(t, search.Config{Sink: actions.SinkConfig{Kind: "elasticsearch", Name: "x"}}, "http://a")
	require.Equal(t, "elasticsearch", c.Put(search.Document{}).Kind())
	require.Same(t, c.Sink(), c.Put(search.Document{}).Sink())
}

func TestCheck(t *testing.T) {
	t.Parallel()
	c := client(t, search.Config{}, "https://a:9200")
	for _, d := range []search.Document{
		{Index: "a"},
		{Index: ".a", Type: "t", ID: "1", Version: "0", Operation: "index"},
		{Index: "${topic(2)}", Type: "${t}", ID: "${newuuid()}", Version: "${timestamp()}"},
		{Index: "<a-{now/d}>", Operation: "create", Endpoint: "https://A:9200/", Sink: "default"},
	} {
		require.NoError(t, c.Put(d).Check())
	}
	for _, x := range []struct {
		doc  search.Document
		want string
	}{
		{search.Document{}, "index is missing, expected the name of an index"},
		{search.Document{Index: "A"}, `index is "A", expected a name without capital letters`},
		{search.Document{Index: "a b"}, `index is "a b", expected a name without spaces and without \ / * ? " < > | , # and :`},
		{search.Document{Index: ".."}, `index is "..", expected the name of an index`},
		{search.Document{Index: "<a-{now/d}"}, `index is "<a-{now/d}", expected a name without spaces and without \ / * ? " < > | , # and :`},
		{search.Document{Index: "a", ID: strings.Repeat("x", 513)}, `id is "` + strings.Repeat("x", 80) + `"..., expected at most 512 bytes`},
		{search.Document{Index: "a", Type: strings.Repeat("x", 256)}, `type is "` + strings.Repeat("x", 80) + `"..., expected the name of a type`},
		{search.Document{Index: "a", Version: "x"}, `version is "x", expected a whole number that is not negative`},
		{search.Document{Index: "a", Version: "${v}", Operation: "create"}, `version is "${v}", expected none beside the operation create`},
		{search.Document{Index: "a", Operation: "delete"}, `operation is "delete", expected index or create`},
		{search.Document{Index: "a", Sink: "other"}, `sink is "other", expected default`},
		{search.Document{Index: "a", Endpoint: "https://b:9200"}, `endpoint is "https://b:9200", expected https://a:9200`},
		{search.Document{Index: "a", Endpoint: "https://${host}:9200"}, `endpoint is a text with a template, expected a fixed URL, so that no message chooses the server`},
	} {
		require.EqualError(t, c.Put(x.doc).Check(), x.want)
	}
}

// What Decode reads is what Encode writes.
func TestJSON(t *testing.T) {
	t.Parallel()
	kinds := search.Kinds(client(t, search.Config{Aliases: []string{"https://search-x.eu-central-1.es.amazonaws.com"}}, "https://A:9200/"))
	for _, text := range []string{
		`{"openSearch":{"endpoint":"https://a:9200","index":"a","type":"_doc","id":"${newuuid()}","roleArn":"arn:aws:iam::123456789012:role/r"}}`,
		`{"elasticsearch":{"endpoint":"https://search-x.eu-central-1.es.amazonaws.com","index":"${topic(1)}","type":"t<>","id":"${clientid()}"}}`,
		`{"openSearch":{"sink":"default","index":"a"}}`,
		`{"openSearch":{"index":"a","id":"1","version":"${timestamp()}","operation":"index"}}`,
		`{"openSearch":{"endpoint":"https://a:9200/","sink":"default","index":"a","operation":"create"}}`,
	} {
		a, err := actions.Decode([]byte(text), kinds)
		require.NoError(t, err, text)
		data, ok, err := actions.Encode(a, kinds)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, text, string(data))
	}
	for text, want := range map[string]string{
		`{}`:                                   "index is missing, expected a text",
		`{"index":"a","id":1}`:                 "id is 1, expected a text",
		`{"index":"a","refresh":"true"}`:       "refresh is not known, expected endpoint, id, index, operation, roleArn, sink, type or version",
		`{"index":"a","operation":"delete"}`:   `operation is "delete", expected index or create`,
		`{"index":"A"}`:                        `index is "A", expected a name without capital letters`,
		`{"index":"a","endpoint":"https://b"}`: `endpoint is "https://b", expected https://a:9200 or https://search-x.eu-central-1.es.amazonaws.com`,
		`{"index":"a","endpoint":"https://169.254.169.254","sink":"default"}`: `endpoint is "https://169.254.169.254", expected https://a:9200 or https://search-x.eu-central-1.es.amazonaws.com`,
		`{"index":"a","endpoint":"https://${x}"}`:                             "endpoint is a text with a template, expected a fixed URL, so that no message chooses the server",
		`{"index":"a","endpoint":"https://a:9200@b"}`:                         "endpoint is no URL, or one with a user, expected a URL without a user",
		`{"index":"a","sink":"b"}`:                                            `sink is "b", expected default`,
	} {
		for _, kind := range []string{"openSearch", "elasticsearch"} {
			_, err := actions.Decode([]byte(`{"`+kind+`":`+text+`}`), kinds)
			require.EqualError(t, err, kind+": "+want)
		}
	}
}

// An action of Go has JSON that names its client.
func TestGoFormHasJSON(t *testing.T) {
	t.Parallel()
	one := client(t, search.Config{Sink: actions.SinkConfig{Name: "one"}}, "http://a")
	two := client(t, search.Config{Sink: actions.SinkConfig{Name: "two", Kind: "elasticsearch"}}, "http://b")
	kinds := search.Kinds(one, two)
	data, ok, err := actions.Encode(two.Put(search.Document{Index: "a", ID: "1"}), kinds)
	require.NoError(t, err)
	require.True(t, ok)
	require.JSONEq(t, `{"elasticsearch":{"sink":"two","index":"a","id":"1"}}`, string(data))
	a, err := actions.Decode(data, kinds)
	require.NoError(t, err)
	require.Same(t, two.Sink(), a.(actions.Sinked).Sink())
}

func TestWhichClient(t *testing.T) {
	t.Parallel()
	named := func(name string, urls ...string) *search.Client {
		return client(t, search.Config{Sink: actions.SinkConfig{Name: name}}, urls...)
	}
	one, two, three := named("one", "https://a", "https://a2"), named("two", "https://b/path/"), named("three", "https://b/path")
	for _, c := range []struct {
		text string
		want *search.Client
		err  string
	}{
		{`"endpoint":"https://a"`, one, ""},
		{`"endpoint":"HTTPS://A2:443/"`, one, ""},
		{`"endpoint":"https://b/path","sink":"three"`, three, ""},
		{`"sink":"two"`, two, ""},
		{`"endpoint":"https://b/path"`, nil, "sink is missing, expected one, two or three, because this hub has several clients"},
		{`"endpoint":"https://b"`, nil, `endpoint is "https://b", expected https://a, https://a2, https://b/path or https://b/path`},
		{`"endpoint":"http://a"`, nil, `endpoint is "http://a", expected https://a, https://a2, https://b/path or https://b/path`},
		{`"endpoint":"https://a:444"`, nil, `endpoint is "https://a:444", expected https://a, https://a2, https://b/path or https://b/path`},
		{`"type":"t"`, nil, "sink is missing, expected one, two or three, because this hub has several clients"},
		{`"endpoint":"https://a","sink":"two"`, nil, `endpoint is "https://a", expected https://b/path`},
	} {
		a, err := search.Kinds(one, two, three)["openSearch"]([]byte(`{"index":"a",` + c.text + `}`))
		if c.err != "" {
			require.EqualError(t, err, c.err, c.text)
			continue
		}
		require.NoError(t, err, c.text)
		require.Same(t, c.want.Sink(), a.(actions.Sinked).Sink(), c.text)
	}
	_, err := search.Kinds(one, named("one", "http://x"))["openSearch"]([]byte(`{"index":"a","sink":"one"}`))
	require.EqualError(t, err, "several clients of this hub are called one")
	_, err = search.Kinds()["openSearch"]([]byte(`{"index":"a","endpoint":"https://a"}`))
	require.EqualError(t, err, "this hub has no client of a search server")
}

func TestOpenKinds(t *testing.T) {
	t.Parallel()
	known, other := client(t, search.Config{}, "https://a"), client(t, search.Config{Sink: actions.SinkConfig{Name: "other"}}, "https://proxy")
	kinds := search.OpenKinds(func(endpoint string) (*search.Client, error) {
		if endpoint != "https://b:9200" {
			return nil, errors.New("not allowed")
		}
		return other, nil
	}, known)
	for text, want := range map[string]*search.Client{
		`{"openSearch":{"endpoint":"https://a","index":"a"}}`:       known,
		`{"openSearch":{"endpoint":"https://b:9200/","index":"a"}}`: other,
		`{"openSearch":{"index":"a"}}`:                              known,
	} {
		a, err := actions.Decode([]byte(text), kinds)
		require.NoError(t, err)
		require.Same(t, want.Sink(), a.(actions.Sinked).Sink())
		require.NoError(t, a.(actions.Checker).Check())
		data, ok, err := actions.Encode(a, kinds)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, text, string(data))
	}
	_, err := actions.Decode([]byte(`{"openSearch":{"endpoint":"https://c","index":"a"}}`), kinds)
	require.EqualError(t, err, "openSearch: endpoint: not allowed")
}

func TestParams(t *testing.T) {
	t.Parallel()
	a := client(t, search.Config{}, "http://a").Put(search.Document{Index: "i", Type: "t"})
	require.Equal(t, []actions.Param{
		{Name: "index", Text: "i"}, {Name: "type", Text: "t"}, {Name: "id", Optional: true}, {Name: "version", Optional: true},
	}, a.Params())
	require.Equal(t, "i", a.Resource(event("", "i")))
	data, err := json.Marshal(a)
	require.NoError(t, err)
	require.JSONEq(t, `{"sink":"default","index":"i","type":"t"}`, string(data))
}
