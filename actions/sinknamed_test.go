package actions_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

// A far is a client of some package.
type far struct{ sink *actions.Sink }

func (f far) Sink() *actions.Sink { return f.sink }

func fars(names ...string) (list []far) {
	for _, name := range names {
		list = append(list, far{newSink(actions.SinkConfig{Name: name})})
	}
	return list
}

func TestSinkNamed(t *testing.T) {
	for _, c := range []struct {
		clients []far
		name    string
		want    string // the name, or the error
	}{
		{fars("main"), "", "main"},
		{fars("main"), "main", "main"},
		{fars("main", "other"), "other", "other"},
		{fars("main", "main", "other"), "other", "other"},
		{nil, "", "the host has no client for this action"},
		{nil, "main", "the host has no client for this action"},
		{fars("main"), "mian", `sink is "mian", expected "main"`},
		{fars("other", "main", "third"), "mian", `sink is "mian", expected "main", "other" or "third"`},
		{fars("main", "other"), "", `sink is missing, expected "main" or "other"`},
		{fars("", ""), "", `two clients are called "default", expected names of their own (SinkConfig.Name)`},
		{fars("main", "main"), "main", `two clients are called "main", expected names of their own (SinkConfig.Name)`},
	} {
		got, err := actions.SinkNamed(c.clients, c.name)
		if err != nil {
			require.EqualError(t, err, c.want)
			require.Nil(t, got.sink)
			continue
		}
		require.Equal(t, c.want, got.Sink().Name())
	}
}
