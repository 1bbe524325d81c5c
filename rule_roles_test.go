package thinghub_test

import (
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/rules"
)

// A rule publishes what its role may, if the host wants that.
func TestRuleRoles(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	_, err := thinghub.New(thinghub.Config{EnforceRuleRoles: true, Authorizer: auth.InsecureAllowAll{}})
	require.ErrorContains(t, err, "Config.EnforceRuleRoles")
	hub, err := thinghub.New(thinghub.Config{EnforceRuleRoles: true, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hub.Close()) })
	role := hub.Roles().RoleARN("rules")
	_, err = hub.Policies().CreatePolicy(ctx, "rules", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:Publish","Resource":"arn:aws:iot:local:000000000000:topic/out/*"}}`)
	require.NoError(t, err)
	require.NoError(t, hub.Policies().AttachPolicy(ctx, "rules", role))
	got, failed := make(chan string, 10), actions.NewRecorder()
	stop, err := hub.Subscribe(ctx, "#", func(m *thinghub.Message) {
		if m.Topic != "in" {
			got <- m.Topic
		}
	})
	require.NoError(t, err)
	defer stop()
	for name, a := range map[string]actions.Republish{
		"allowed": {RoleARN: role, Topic: "out/a"}, "elsewhere": {RoleARN: role, Topic: "secret"}, "without": {Topic: "out/b"}, "another": {RoleARN: role + "2", Topic: "out/c"},
	} {
		require.NoError(t, hub.Rules().Put(ctx, rules.Rule{Name: name, SQL: "SELECT * FROM 'in'", Actions: []actions.Action{a}, ErrorAction: failed}))
	}
	require.NoError(t, hub.Publish(ctx, "in", []byte("{}")))
	require.Equal(t, "out/a", <-got)
	denied := map[string]bool{}
	for range 3 {
		ev, err := failed.Next(ctx)
		require.NoError(t, err)
		var report struct {
			RuleName string `json:"ruleName"`
			Failures []struct{ ErrorMessage string }
		}
		require.NoError(t, json.Unmarshal(ev.Payload, &report))
		require.Contains(t, report.Failures[0].ErrorMessage, "iot:Publish")
		denied[report.RuleName] = true
	}
	require.Equal(t, map[string]bool{"elsewhere": true, "without": true, "another": true}, denied)
	require.Empty(t, got)
}
