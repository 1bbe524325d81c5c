package actions_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

func TestLog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	h := actions.Host{Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))}
	require.NoError(t, on(t, actions.Log{Level: "warn", Message: "${m}"}, h).Do(t.Context(), event(`{"t":1}`, "hot")))
	require.NoError(t, on(t, actions.Log{Level: "debug"}, h).Do(t.Context(), event(`{"t":2}`, "rule matched")))
	require.NoError(t, on(t, actions.Log{}, h).Do(t.Context(), event("\xff"+strings.Repeat("x", 5000), "rule matched")))
	require.Equal(t, "level=WARN msg=hot rule=rule topic=dev/a/temp client=a payload=\"{\\\"t\\\":1}\"\n"+
		"level=INFO msg=\"rule matched\" rule=rule topic=dev/a/temp client=a payload=\"\ufffd"+strings.Repeat("x", 4095)+"\"\n", out.String())

	require.Equal(t, "rule matched", actions.Log{}.Params()[0].Text)
	_, err := actions.Log{Level: "loud"}.On(h)
	require.EqualError(t, err, `level is "loud", expected debug, info, warn or error`)
	_, err = actions.Log{}.On(actions.Host{})
	require.NoError(t, err, "there is always a log")
}
