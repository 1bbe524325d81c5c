package api_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/api"
	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/rules"
)

type nowhere struct{}

func (nowhere) Publish(context.Context, *actions.Publication) error { return nil }

// withRules gives a stage rules.
func withRules(t *testing.T, mod ...func(*rules.Config)) func(*api.Config) {
	return func(c *api.Config) {
		cfg := rules.Config{Publisher: nowhere{}}
		for _, f := range mod {
			f(&cfg)
		}
		s, err := rules.New(cfg)
		require.NoError(t, err)
		c.Rules = s
		c.Registry, err = registry.New(registry.Config{Tagged: func(ctx context.Context, resource string) (bool, error) {
			_, err := s.Get(ctx, strings.TrimPrefix(resource, "rule/"))
			return err == nil, nil
		}})
		require.NoError(t, err)
	}
}

const ruleARN = "arn:aws:iot:local:000000000000:rule/"

func hotRule(more string) string {
	return `{"sql":"SELECT * FROM 'dt/+/temp' WHERE temp > 80","actions":[{"republish":{"topic":"alerts/${topic(2)}","roleArn":"arn:aws:iam::000000000000:role/r"}}]` + more + `}`
}

func TestTopicRules(t *testing.T) {
	t.Parallel()
	s := talk(t, []step{
		{"POST /rules/hot", hotRule(`,"description":"too hot"`), "", ""},
		{"POST /rules/hot", hotRule(""), taken, `{"resourceArn":"` + ruleARN + `hot","resourceId":"hot"}`},
		{"GET /rules/hot", "", "", `{"ruleArn":"` + ruleARN + `hot","rule":{"ruleName":"hot","sql":"SELECT * FROM 'dt/+/temp' WHERE temp > 80","description":"too hot",
			"awsIotSqlVersion":"2015-10-08","ruleDisabled":false,"errorAction":"absent","actions":[{"republish":{"topic":"alerts/${topic(2)}"}}]}}`},
		{"POST /rules/hot/disable", "", "", ""},
		{"GET /rules/hot", "", "", `{"rule":{"ruleDisabled":true}}`},
		{"POST /rules/hot/enable", "", "", ""},
		{"PATCH /rules/hot", hotRule(`,"awsIotSqlVersion":"2016-03-23","errorAction":{"republish":{"topic":"errors","qos":1}}`), "", ""},
		{"GET /rules/hot", "", "", `{"rule":{"ruleDisabled":false,"awsIotSqlVersion":"2016-03-23","description":"absent","errorAction":{"republish":{"topic":"errors","qos":1}}}}`},
		// A replacement that is refused leaves the rule as it was.
		{"PATCH /rules/hot", `{"sql":"SELECT FROM 'a'","actions":[]}`, "SqlParse", `{"line":1,"column":8}`},
		{"GET /rules/hot", "", "", `{"rule":{"awsIotSqlVersion":"2016-03-23"}}`},
		{"POST /rules/all", `{"sql":"SELECT * FROM '#'","actions":[],"ruleDisabled":true}`, "", ""},
		{"GET /rules", "", "", `{"nextToken":"absent","rules":[
			{"ruleName":"all","ruleArn":"` + ruleARN + `all","topicPattern":"#","ruleDisabled":true},{"ruleName":"hot","topicPattern":"dt/+/temp","ruleDisabled":false}]}`},
		{"GET /rules?ruleDisabled=true", "", "", `{"rules":[{"ruleName":"all"}]}`},
		{"GET /rules?ruleDisabled=false", "", "", `{"rules":[{"ruleName":"hot"}]}`},
		{"GET /rules?topic=dt/a/temp", "", "", `{"rules":[{"ruleName":"all"},{"ruleName":"hot"}]}`},
		{"GET /rules?topic=other", "", "", `{"rules":[{"ruleName":"all"}]}`},
		{"GET /rules?maxResults=0", "", wrong, ""},
		{"GET /rules?nextToken=%21", "", wrong, ""},
		{"DELETE /rules/hot", "", "", ""},
		{"DELETE /rules/hot", "", "Unauthorized", `{"message":"Access to topic rule 'hot' was denied"}`},
		{"GET /rules/hot", "", "Unauthorized", `{"message":"Access to topic rule 'hot' was denied"}`},
		{"PATCH /rules/hot", hotRule(""), "Unauthorized", ""},
		{"POST /rules/hot/enable", "", "Unauthorized", ""},
		{"POST /rules/hot/disable", "", "Unauthorized", ""},
	}, withRules(t))
	a := s.step(t, step{"GET /rules?maxResults=1", "", "", ""})
	require.Nil(t, a.body["nextToken"])
	s.step(t, step{"POST /rules/more", `{"sql":"SELECT * FROM 'b'","actions":[]}`, "", ""})
	a = s.step(t, step{"GET /rules?maxResults=1", "", "", `{"rules":[{"ruleName":"all"}]}`})
	s.step(t, step{"GET /rules?maxResults=1&nextToken=" + a.body["nextToken"].(string), "", "", `{"rules":[{"ruleName":"more"}],"nextToken":"absent"}`})
}

func TestTopicRules_WhatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	talk(t, []step{
		{"POST /rules/a-b", hotRule(""), wrong, ""},
		{"POST /rules/a", `{"actions":[]}`, wrong, `{"message":"sql is missing, expected a statement"}`},
		{"POST /rules/a", `{"sql":"SELECT * FROM 'a'"}`, wrong, ""},
		{"POST /rules/a", `{"sql":"SELECT * FROM 'a' WHERE uper(x) = 1","actions":[]}`, "SqlParse", `{"line":1,"column":25}`},
		{"POST /rules/a", `{"sql":"SELECT * FROM 'a'","actions":[{"republish":{"topic":"${topic(}"}}]}`, "SqlParse", ""},
		{"POST /rules/a", `{"sql":"SELECT * FROM 'a'","actions":[{"republish":{"topic":"a/#"}}]}`, wrong, ""},
		{"POST /rules/a", `{"sql":"SELECT * FROM 'a'","actions":[{"republish":{"topic":"b","qos":2}}]}`, wrong, ""},
		{"POST /rules/a", `{"sql":"SELECT * FROM 'a'","actions":[{"republish":{"topic":"b"},"http":{"url":"https://a.b"}}]}`, wrong, ""},
		{"POST /rules/a", `{"sql":"SELECT * FROM 'a'","actions":[{"teleport":{}}]}`, wrong, ""},
		{"POST /rules/a", `{"sql":"SELECT * FROM 'a'","actions":[],"awsIotSqlVersion":"2020-01-01"}`, wrong, ""},
		{"POST /rules/a", `{"sql":"SELECT * FROM 'a'","actions":[],"typo":1}`, wrong, ""},
		{"POST /rules/a", `{"sql":"SELECT * FROM 'a'","actions":[` + strings.Repeat(`{"republish":{"topic":"b"}},`, 10) + `{"republish":{"topic":"b"}}]}`, wrong, ""},
		{"POST /rules/a", `not JSON`, wrong, ""},
		{"GET /rules", "", "", `{"rules":[]}`},
	}, withRules(t))
}

func TestTopicRules_Tags(t *testing.T) {
	t.Parallel()
	s := newStage(t, withRules(t))
	a := ask(t, s.Handler(), "POST", "/rules/hot", hotRule(""), "x-amz-tagging", "team=a%20b&stage=")
	require.Equal(t, 200, a.status, a.text)
	for _, st := range []step{
		{"GET /tags?resourceArn=" + ruleARN + "hot", "", "", `{"tags":[{"Key":"stage","Value":""},{"Key":"team","Value":"a b"}]}`},
		{"POST /untag", `{"resourceArn":"` + ruleARN + `hot","tagKeys":["stage"]}`, "", ""},
		{"GET /tags?resourceArn=" + ruleARN + "none", "", missingOne, ""},
		{"DELETE /rules/hot", "", "", ""},
		{"GET /tags?resourceArn=" + ruleARN + "hot", "", missingOne, ""},
		{"POST /rules/hot", hotRule(""), "", ""},
		{"GET /tags?resourceArn=" + ruleARN + "hot", "", "", `{"tags":[]}`},
	} {
		s.step(t, st)
	}
	a = ask(t, s.Handler(), "POST", "/rules/other", hotRule(""), "x-amz-tagging", "aws:x=y")
	require.Equal(t, 400, a.status, a.text)
	s.step(t, step{"GET /rules/other", "", "Unauthorized", ""})
}

func TestDestinations(t *testing.T) {
	t.Parallel()
	confirmed := make(chan string, 8)
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		confirmed <- r.URL.Query().Get("confirmationToken")
	}))
	t.Cleanup(web.Close)
	var running *rules.Service
	s := newStage(t, withRules(t, func(c *rules.Config) { c.Web = rules.WebConfig{AllowPlain: true, AllowPrivate: true} }), func(c *api.Config) { running = c.Rules })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- running.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})

	create := `{"destinationConfiguration":{"httpUrlConfiguration":{"confirmationUrl":"` + web.URL + `/in"}}}`
	a := s.step(t, step{"POST /destinations", create, "", `{"topicRuleDestination":{"status":"IN_PROGRESS","httpUrlProperties":{"confirmationUrl":"` + web.URL + `/in"}}}`})
	name := a.body["topicRuleDestination"].(map[string]any)["arn"].(string)
	token := <-confirmed
	for _, st := range []step{
		{"POST /destinations", create, taken, ""},
		{"POST /destinations", `{}`, wrong, ""},
		{"POST /destinations", `{"destinationConfiguration":{"vpcConfiguration":{}}}`, wrong, ""},
		{"GET /destinations", "", "", `{"destinationSummaries":[{"arn":"` + name + `","status":"IN_PROGRESS","httpUrlSummary":{"confirmationUrl":"` + web.URL + `/in"}}]}`},
		{"PATCH /destinations", `{"arn":"` + name + `","status":"ENABLED"}`, wrong, ""},
		{"GET /confirmdestination/" + token, "", "", ""},
		{"GET /confirmdestination/" + token, "", wrong, ""},
		{"GET /destinations/" + name, "", "", `{"topicRuleDestination":{"arn":"` + name + `","status":"ENABLED","statusReason":"absent"}}`},
		{"PATCH /destinations", `{"arn":"` + name + `","status":"DISABLED"}`, "", ""},
		{"PATCH /destinations", `{"arn":"` + name + `","status":"ON"}`, wrong, ""},
		{"PATCH /destinations", `{"status":"ENABLED"}`, wrong, ""},
		{"GET /destinations/" + strings.ReplaceAll(name, "/", "%2F"), "", "", `{"topicRuleDestination":{"status":"DISABLED"}}`},
		{"DELETE /destinations/" + name, "", "", ""},
		{"GET /destinations/" + name, "", wrong, ""},
		{"GET /destinations", "", "", `{"destinationSummaries":[],"nextToken":"absent"}`},
	} {
		s.step(t, st)
	}
}

// A web service has no credentials: the token is what it has.
func TestAnybodyMayConfirmADestination(t *testing.T) {
	t.Parallel()
	confirmed := make(chan string, 1)
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		confirmed <- r.URL.Query().Get("confirmationToken")
	}))
	t.Cleanup(web.Close)
	var running *rules.Service
	s := newStage(t, withRules(t, func(c *rules.Config) { c.Web = rules.WebConfig{AllowPlain: true, AllowPrivate: true} }), func(c *api.Config) {
		running, c.Authenticator, c.Authorizer = c.Rules, auth.Nobody{}, auth.Nobody{}
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- running.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	d, err := running.CreateDestination(ctx, web.URL+"/in")
	require.NoError(t, err)
	s.step(t, step{"GET /destinations", "", "Unauthorized", ""})
	s.step(t, step{"GET /confirmdestination/guessed", "", wrong, ""})
	s.step(t, step{"GET /confirmdestination/" + <-confirmed, "", "", ""})
	d, err = running.GetDestination(ctx, d.ARN)
	require.NoError(t, err)
	require.Equal(t, rules.DestinationEnabled, d.Status)
}

func TestTestTopicRule(t *testing.T) {
	t.Parallel()
	talk(t, []step{
		{"POST /rules/-/test", `{"sql":"SELECT temp AS t FROM 'a/+' WHERE temp > 80","topic":"a/b","payload":"{\"temp\":81}"}`, "", `{"matched":true,"undefined":false,"output":"{\"t\":81}","rendered":null,"error":"absent","outputBase64":"absent"}`},
		{"POST /rules/-/test", `{"sql":"SELECT temp AS t FROM 'a/+' WHERE temp > 80","topic":"a/b","payload":"{\"temp\":80}"}`, "", `{"matched":false,"output":null,"reason":"the condition is not true"}`},
		{"POST /rules/-/test", `{"sql":"SELECT * FROM 'a/+'","topic":"b","payload":"{}"}`, "", `{"matched":false,"output":null,"trace":[]}`},
		{"POST /rules/-/test", `{"sql":"SELECT * FROM 'a'","topic":"a","payloadBase64":"AAH/"}`, "", `{"matched":true,"output":null,"outputBase64":"AAH/"}`},
		{"POST /rules/-/test", `{"sql":"SELECT VALUE nope FROM 'a'","topic":"a","payload":"{}"}`, "", `{"matched":true,"undefined":true,"output":""}`},
		{"POST /rules/-/test", `{"sql":"SELECT x FROM 'a'","topic":"a","payload":"not JSON"}`, "", `{"matched":false,"output":null}`},
		{"POST /rules/-/test", `{"sql":"SELECT clientid() AS c, get_mqtt_property('content_type') AS t FROM 'a'","sqlVersion":"2016-03-23","topic":"a","payload":"{}","context":{"clientId":"dev","mqtt":{"contentType":"text/plain"}}}`, "", `{"output":"{\"c\":\"dev\",\"t\":\"text/plain\"}"}`},
		{"POST /rules/-/test", `{"template":"x/${topic(2)}/${n}","topic":"a/b","payload":"{\"n\":7}"}`, "", `{"matched":true,"rendered":"x/b/7"}`},
		{"POST /rules/-/test", `{"template":"${topic(2)}","topic":"$aws/rules/R/a/b","payload":"{}"}`, "", `{"rendered":"b"}`},
		{"POST /rules/-/test", `{"sql":"SELECT get_thing_shadow('a','r').version AS v FROM 'a'","sqlVersion":"2016-03-23","topic":"a","payload":"{}","context":{"shadows":{"a":{"version":3}}}}`, "", `{"output":"{\"v\":3}"}`},
		{"POST /rules/-/test", `{"sql":"SELECT aws_lambda('f',{'a':1}) AS v FROM 'a'","sqlVersion":"2016-03-23","topic":"a","payload":"{}","context":{"lambda":{}}}`, "", `{"matched":false}`},
		{"POST /rules/-/test", `{"sql":"SELECT * FROM 'a' WHERE","topic":"a","payload":"{}"}`, "SqlParse", `{"line":1,"column":24}`},
		{"POST /rules/-/test", `{"template":"${topic(","topic":"a"}`, "SqlParse", ""},
		{"POST /rules/-/test", `{"topic":"a"}`, wrong, `{"message":"sql is missing"}`},
		{"POST /rules/-/test", `{"sql":"SELECT * FROM 'a'","topic":"a/#"}`, wrong, ""},
		{"POST /rules/-/test", `{"sql":"SELECT * FROM 'a'","topic":"a","payload":"a","payloadBase64":"YQ=="}`, wrong, ""},
		{"POST /rules/-/test", `{"sql":"SELECT * FROM 'a'","topic":"a","context":{"protocol":"carrier pigeon"}}`, wrong, ""},
		{"GET /rules", "", "", `{"rules":[]}`},
	}, withRules(t))
}

// A hub whose host has its own rules has no operations on rules.
func TestRules_OfTheHost(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, target := range []string{"GET /rules", "GET /rules/a", "POST /rules/-/test", "GET /destinations"} {
		s.step(t, step{target, "", "UnknownOperation", ""})
	}
}
