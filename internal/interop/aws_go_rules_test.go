package interop_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
	"github.com/stretchr/testify/require"
)

func goRepublish(topic string) types.Action {
	return types.Action{Republish: &types.RepublishAction{RoleArn: aws.String("arn:aws:iam::123456789012:role/r"), Topic: &topic, Qos: aws.Int32(1)}}
}

func (b *goBackend) createRule(t *testing.T, name, sql string, disabled bool, actions ...types.Action) {
	t.Helper()
	_, err := b.iot.CreateTopicRule(t.Context(), &iot.CreateTopicRuleInput{RuleName: &name, TopicRulePayload: &types.TopicRulePayload{
		Sql: &sql, Actions: append([]types.Action{}, actions...), RuleDisabled: &disabled,
	}})
	require.NoError(t, err)
}

func goRules(t *testing.T, b *goBackend) {
	ctx, name := t.Context(), aws.String("go_hot")
	alert := goRepublish("alerts/${topic(2)}")
	alert.Republish.Headers = &types.MqttHeaders{
		ContentType: aws.String("text/plain"), CorrelationData: aws.String("Yy0x"), MessageExpiry: aws.String("60"), PayloadFormatIndicator: aws.String("UTF8_DATA"),
		ResponseTopic: aws.String("cmd/${topic(2)}"), UserProperties: []types.UserProperty{{Key: aws.String("k"), Value: aws.String("${v}")}, {Key: aws.String("k"), Value: aws.String("w")}},
	}
	onError := goRepublish("errors")
	payload := &types.TopicRulePayload{
		Sql: aws.String("SELECT temp FROM 'dt/+/temp' WHERE temp > 80"), Description: aws.String("<ü> & 😀"), AwsIotSqlVersion: aws.String("2016-03-23"),
		Actions: []types.Action{alert}, ErrorAction: &onError, RuleDisabled: aws.Bool(true),
	}
	create := &iot.CreateTopicRuleInput{RuleName: name, TopicRulePayload: payload, Tags: aws.String("team=a%20b")}
	_, err := b.iot.CreateTopicRule(ctx, create)
	require.NoError(t, err)
	_, err = b.iot.CreateTopicRule(ctx, create)
	again := refusal[exists](t, err, 409)
	require.Equal(t, arns+"rule/go_hot", *again.ResourceArn)
	is, err := b.iot.GetTopicRule(ctx, &iot.GetTopicRuleInput{RuleName: name})
	require.NoError(t, err)
	require.Equal(t, arns+"rule/go_hot", *is.RuleArn)
	recent(t, is.Rule.CreatedAt)
	created := *is.Rule.CreatedAt
	is.Rule.CreatedAt = nil
	require.Equal(t, &types.TopicRule{
		RuleName: name, Sql: payload.Sql, Description: payload.Description, AwsIotSqlVersion: payload.AwsIotSqlVersion,
		Actions: payload.Actions, ErrorAction: payload.ErrorAction, RuleDisabled: aws.Bool(true),
	}, is.Rule)
	tags, err := b.iot.ListTagsForResource(ctx, &iot.ListTagsForResourceInput{ResourceArn: is.RuleArn})
	require.NoError(t, err)
	require.Equal(t, []types.Tag{{Key: aws.String("team"), Value: aws.String("a b")}}, tags.Tags)

	disabled := func(want bool) {
		is, err := b.iot.GetTopicRule(ctx, &iot.GetTopicRuleInput{RuleName: name})
		require.NoError(t, err)
		require.Equal(t, want, *is.Rule.RuleDisabled)
		require.Equal(t, created, *is.Rule.CreatedAt)
	}
	_, err = b.iot.EnableTopicRule(ctx, &iot.EnableTopicRuleInput{RuleName: name})
	require.NoError(t, err)
	disabled(false)
	_, err = b.iot.DisableTopicRule(ctx, &iot.DisableTopicRuleInput{RuleName: name})
	require.NoError(t, err)
	disabled(true)
	payload.RuleDisabled = nil
	_, err = b.iot.ReplaceTopicRule(ctx, &iot.ReplaceTopicRuleInput{RuleName: name, TopicRulePayload: payload})
	require.NoError(t, err)
	disabled(false)

	for i := range 3 {
		b.createRule(t, fmt.Sprint("go_listed_", i), fmt.Sprintf("SELECT * FROM 'listed/%d/#'", i), i == 1)
	}
	names := func(in *iot.ListTopicRulesInput) (names []string) {
		in.MaxResults = aws.Int32(2)
		for _, r := range pages(t, iot.NewListTopicRulesPaginator(b.iot, in), func(o *iot.ListTopicRulesOutput) []types.TopicRuleListItem { return o.Rules }) {
			names = append(names, *r.RuleName)
		}
		return names
	}
	require.Equal(t, []string{"go_hot", "go_listed_0", "go_listed_1", "go_listed_2"}, names(&iot.ListTopicRulesInput{}))
	require.Equal(t, []string{"go_listed_1"}, names(&iot.ListTopicRulesInput{RuleDisabled: aws.Bool(true)}))
	require.Equal(t, []string{"go_listed_2"}, names(&iot.ListTopicRulesInput{Topic: aws.String("listed/2/a/b")}))
	for _, name := range names(&iot.ListTopicRulesInput{}) {
		_, err = b.iot.DeleteTopicRule(ctx, &iot.DeleteTopicRuleInput{RuleName: &name})
		require.NoError(t, err)
	}
	require.Empty(t, names(&iot.ListTopicRulesInput{}))
}

func goRulesRefused(t *testing.T, b *goBackend) {
	ctx, name := t.Context(), aws.String("go_refused")
	create := func(name, sql string, a types.Action) error {
		_, err := b.iot.CreateTopicRule(ctx, &iot.CreateTopicRuleInput{RuleName: &name, TopicRulePayload: &types.TopicRulePayload{Sql: &sql, Actions: []types.Action{a}}})
		return err
	}
	e := refusal[badSQL](t, create(*name, "SELECT * FROM 'a' WHERE", goRepublish("b")), 400)
	require.Contains(t, e.ErrorMessage(), "line 1, column 24")
	refused[badSQL](t, create(*name, "SELECT * FROM 'a'", goRepublish("${topic(}")), 400)
	refused[invalidRequest](t, create("go-refused", "SELECT * FROM 'a'", goRepublish("b")), 400)
	refused[invalidRequest](t, create(*name, "SELECT * FROM 'a'", goRepublish("b/#")), 400)
	sink := refusal[invalidRequest](t, create(*name, "SELECT * FROM 'a'", types.Action{Lambda: &types.LambdaAction{FunctionArn: aws.String("arn:f")}}), 400)
	require.Contains(t, sink.ErrorMessage(), "this hub has no action lambda")
	_, err := b.iot.GetTopicRule(ctx, &iot.GetTopicRuleInput{RuleName: name})
	refused[unauthorized](t, err, 401)
	_, err = b.iot.DeleteTopicRule(ctx, &iot.DeleteTopicRuleInput{RuleName: name})
	refused[unauthorized](t, err, 401)
	_, err = b.iot.EnableTopicRule(ctx, &iot.EnableTopicRuleInput{RuleName: name})
	refused[unauthorized](t, err, 401)
	_, err = b.iot.DisableTopicRule(ctx, &iot.DisableTopicRuleInput{RuleName: name})
	refused[unauthorized](t, err, 401)
	_, err = b.iot.ReplaceTopicRule(ctx, &iot.ReplaceTopicRuleInput{RuleName: name, TopicRulePayload: &types.TopicRulePayload{Sql: aws.String("SELECT * FROM 'a'"), Actions: []types.Action{}}})
	refused[unauthorized](t, err, 401)
}

// confirmations returns a web service and the tokens that it is sent.
func confirmations(t *testing.T) (url string, tokens inbox[string]) {
	t.Helper()
	tokens = newInbox[string]()
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct{ ConfirmationToken string }
		_ = json.NewDecoder(r.Body).Decode(&body)
		tokens.put(body.ConfirmationToken)
	}))
	t.Cleanup(web.Close)
	return web.URL, tokens
}

func goDestinations(t *testing.T, b *goBackend) {
	ctx := t.Context()
	web, tokens := confirmations(t)
	create := func(url string) (*iot.CreateTopicRuleDestinationOutput, error) {
		return b.iot.CreateTopicRuleDestination(ctx, &iot.CreateTopicRuleDestinationInput{DestinationConfiguration: &types.TopicRuleDestinationConfiguration{
			HttpUrlConfiguration: &types.HttpUrlDestinationConfiguration{ConfirmationUrl: &url},
		}})
	}
	made, err := create(web + "/a")
	require.NoError(t, err)
	is := made.TopicRuleDestination
	require.Equal(t, types.TopicRuleDestinationStatusInProgress, is.Status)
	recent(t, is.CreatedAt)
	_, err = create(web + "/a")
	refused[exists](t, err, 409)
	_, err = create("ftp://a.test")
	refused[invalidRequest](t, err, 400)
	set := func(status types.TopicRuleDestinationStatus) error {
		_, err := b.iot.UpdateTopicRuleDestination(ctx, &iot.UpdateTopicRuleDestinationInput{Arn: is.Arn, Status: status})
		return err
	}
	refused[invalidRequest](t, set(types.TopicRuleDestinationStatusEnabled), 400)
	token := tokens.next(t)
	_, err = b.iot.ConfirmTopicRuleDestination(ctx, &iot.ConfirmTopicRuleDestinationInput{ConfirmationToken: &token})
	require.NoError(t, err)
	_, err = b.iot.ConfirmTopicRuleDestination(ctx, &iot.ConfirmTopicRuleDestinationInput{ConfirmationToken: &token})
	refused[invalidRequest](t, err, 400)
	require.NoError(t, set(types.TopicRuleDestinationStatusDisabled))
	one, err := b.iot.GetTopicRuleDestination(ctx, &iot.GetTopicRuleDestinationInput{Arn: is.Arn})
	require.NoError(t, err)
	require.Equal(t, types.TopicRuleDestinationStatusDisabled, one.TopicRuleDestination.Status)
	require.Equal(t, web+"/a", *one.TopicRuleDestination.HttpUrlProperties.ConfirmationUrl)

	for _, path := range []string{"/b", "/c"} {
		_, err = create(web + path)
		require.NoError(t, err)
	}
	list := iot.NewListTopicRuleDestinationsPaginator(b.iot, &iot.ListTopicRuleDestinationsInput{MaxResults: aws.Int32(2)})
	all := pages(t, list, func(o *iot.ListTopicRuleDestinationsOutput) []types.TopicRuleDestinationSummary {
		return o.DestinationSummaries
	})
	require.Len(t, all, 3)
	for _, d := range all {
		_, err = b.iot.DeleteTopicRuleDestination(ctx, &iot.DeleteTopicRuleDestinationInput{Arn: d.Arn})
		require.NoError(t, err)
		_, err = b.iot.GetTopicRuleDestination(ctx, &iot.GetTopicRuleDestinationInput{Arn: d.Arn})
		refused[invalidRequest](t, err, 400)
	}
}
