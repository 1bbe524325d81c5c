package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/broker"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	aws := broker.Config{
		CloseOnDenied: true, DisableSubscriptionIDs: true, MaxClientIDBytes: 128, MaxFiltersPerSubscribe: 8,
		MaxInFlight: 100, MaxKeepAlive: 20 * time.Minute, MaxPayloadBytes: 131072, MaxPacketSize: 147456,
		MaxQoS: broker.UpToQoS1, MaxSessionExpiry: time.Hour, MaxSubscriptions: 50, MaxTopicBytes: 256,
		MaxTopicLevels: 8, ReceiveMaximum: 100, TopicAliasMaximum: 8,
	}
	awsBut := aws
	awsBut.MaxQoS, awsBut.ReceiveMaximum = broker.UpToQoS2, 5
	tests := []struct {
		set  []string
		want broker.Config
	}{
		{nil, broker.Config{}},
		{[]string{"max_keepalive=60"}, broker.Config{MaxKeepAlive: time.Minute}},
		{[]string{"max_keepalive=0"}, broker.Config{}},
		{[]string{"max_packet_size=1024"}, broker.Config{MaxPacketSize: 1024}},
		{[]string{"maximum_qos=0"}, broker.Config{MaxQoS: broker.OnlyQoS0}},
		{[]string{"maximum_qos=1"}, broker.Config{MaxQoS: broker.UpToQoS1}},
		{[]string{"maximum_qos=2"}, broker.Config{MaxQoS: broker.UpToQoS2}},
		{[]string{"retain_available=false"}, broker.Config{DisableRetain: true}},
		{[]string{"retain_available=true"}, broker.Config{}},
		{[]string{"receive_maximum=7"}, broker.Config{ReceiveMaximum: 7}},
		{[]string{"max_inflight_messages=7"}, broker.Config{MaxInFlight: 7}},
		{[]string{"topic_alias_maximum=7"}, broker.Config{TopicAliasMaximum: 7}},
		{[]string{"topic_alias_maximum=0"}, broker.Config{TopicAliasMaximum: -1}},
		{[]string{"max_queued_messages=7"}, broker.Config{MaxQueuedMessages: 7}},
		{[]string{"max_connections=7"}, broker.Config{MaxConnections: 7}},
		{[]string{"max_session_expiry=60"}, broker.Config{MaxSessionExpiry: time.Minute}},
		{[]string{"max_session_expiry=4294967295"}, broker.Config{MaxSessionExpiry: -1}},
		{[]string{"allow_zero_length_clientid=false"}, broker.Config{RefuseEmptyClientID: true}},
		{[]string{"shared_subscriptions=false"}, broker.Config{DisableShared: true}},
		{[]string{"connect_timeout=3"}, broker.Config{ConnectTimeout: 3 * time.Second}},
		{[]string{"deny_subscribe=test/nosubscribe", "deny_subscribe=a=b"}, broker.Config{DenySubscribe: []string{"test/nosubscribe", "a=b"}}},
		{[]string{"maximum_qos=1,receive_maximum=7"}, broker.Config{MaxQoS: broker.UpToQoS1, ReceiveMaximum: 7}},
		{[]string{"aws_limits=true"}, aws},
		{[]string{"aws_limits=false"}, broker.Config{}},
		{[]string{"maximum_qos=2", "aws_limits=true,receive_maximum=5"}, awsBut},
	}
	named := map[string]bool{}
	for _, tt := range tests {
		t.Run(strings.Join(tt.set, " "), func(t *testing.T) {
			var args []string
			for _, s := range tt.set {
				args = append(args, "-set", s)
				for pair := range strings.SplitSeq(s, ",") {
					named[strings.Split(pair, "=")[0]] = true
				}
			}
			o, err := parseOptions(args, nil)
			require.NoError(t, err)
			require.Equal(t, tt.want, o.limits)
			hub, err := thinghub.New(thinghub.Config{Gateway: o.limits})
			require.NoError(t, err)
			require.NoError(t, hub.Close())
		})
	}
	for name := range known {
		require.True(t, named[name], "%s is not in the table", name)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	o, err := parseOptions(nil, nil)
	require.NoError(t, err)
	require.Equal(t, []listener{{"mqtt", "127.0.0.1:1883"}}, o.listeners())
	require.Equal(t, slog.LevelInfo, o.logLevel)
	require.Equal(t, anonymousOff, o.anonymous)

	o, err = parseOptions([]string{"-pprof", "127.0.0.1:0", "-anonymous=insecure", "-log", "debug"}, nil)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:1883", o.mqtt, "-pprof is no listener for clients")
	require.Equal(t, anonymousInsecure, o.anonymous)
	require.Equal(t, slog.LevelDebug, o.logLevel)

	o, err = parseOptions([]string{"-http", ":0"}, nil)
	require.NoError(t, err, "without -anonymous the hub may be reached")
	require.Equal(t, []listener{{"http", ":0"}}, o.listeners())

	for _, addr := range []string{"localhost:0", "127.0.0.2:0", "[::1]:0"} {
		_, err = parseOptions([]string{"-anonymous", "-mqtt", addr}, nil)
		require.NoError(t, err)
	}
	_, err = parseOptions([]string{"-anonymous=insecure", "-mqtt", ":0"}, nil)
	require.NoError(t, err)
	_, err = parseOptions([]string{"-anonymous=false", "-mqtt", ":0"}, nil)
	require.NoError(t, err)
}

// TestRefusals has what the program does not start with: each ends it with status 2
// and one sentence.
func TestRefusals(t *testing.T) {
	t.Parallel()
	config := func(content string) []string {
		return []string{"-mqtt", "127.0.0.1:0", "-config", write(t, "hub.json", content)}
	}
	tests := []struct {
		name string
		args []string
		want []string
	}{
		{"unknown flag", []string{"-nonsense"}, []string{"-nonsense"}},
		{"argument", []string{"run"}, []string{`argument "run", expected flags only`}},
		{"no port", []string{"-mqtt", "127.0.0.1"}, []string{`-mqtt is "127.0.0.1", expected host:port`}},
		{"bad port", []string{"-http", "127.0.0.1:99999"}, []string{`-http is "127.0.0.1:99999", expected host:port`}},
		{"open to the network", []string{"-anonymous", "-mqtt", ":1883"}, []string{`-mqtt is ":1883", expected a loopback address such as 127.0.0.1:1883`, "-anonymous=insecure"}},
		{"open WebSocket", []string{"-anonymous=true", "-http", "0.0.0.0:80"}, []string{`-http is "0.0.0.0:80"`, "loopback"}},
		{"open to IPv6", []string{"-anonymous", "-mqtt", "[::]:1883"}, []string{"loopback"}},
		{"bad -anonymous", []string{"-anonymous=maybe"}, []string{`"maybe"`, "-anonymous", "expected true, false or insecure"}},
		{"bad level", []string{"-log", "loud"}, []string{`"loud"`, "-log", "expected debug, info, warn or error"}},
		{"durable state", []string{"-data", "./hub-data"}, []string{`-data is "./hub-data"`, "not supported by this release"}},
		{"no certificate", []string{"-mqtts", "127.0.0.1:0"}, []string{`-mqtts is "127.0.0.1:0", expected a certificate`, "tls.cert"}},
		{"no certificate for HTTP", []string{"-https", "127.0.0.1:0"}, []string{"-https", "tls.cert"}},

		{"unknown setting", []string{"-set", "max_qos=1"}, []string{`unknown name "max_qos"`, "maximum_qos", "topic_alias_maximum", "aws_limits"}},
		{"empty setting", []string{"-set", "maximum_qos=1,"}, []string{"expected name=value"}},
		{"setting without value", []string{"-set", "maximum_qos"}, []string{`"maximum_qos", expected name=value`}},
		{"number too large", []string{"-set", "maximum_qos=3"}, []string{`maximum_qos is "3", expected a whole number from 0 to 2`}},
		{"negative number", []string{"-set", "max_keepalive=-1"}, []string{"0 to 65535"}},
		{"no number", []string{"-set", "max_packet_size=1k"}, []string{`max_packet_size is "1k"`}},
		{"no expiry", []string{"-set", "max_session_expiry=0"}, []string{`max_session_expiry is "0", expected a whole number from 1 to 4294967295`}},
		{"no boolean", []string{"-set", "retain_available=1"}, []string{"true or false"}},
		{"empty filter", []string{"-set", "deny_subscribe="}, []string{"a topic filter"}},
		{"bad filter", []string{"-mqtt", "127.0.0.1:0", "-set", "deny_subscribe=a/#/b"}, []string{"-set", "DenySubscribe[0]", "a/#/b"}},

		{"no file", []string{"-config", "missing.json"}, []string{"-config missing.json", "no such file"}},
		{"empty file", config(""), []string{"line 1", "unexpected EOF"}},
		{"no object", config("[]"), []string{"expected an object in braces"}},
		{"syntax", config("{\n\"users\": [\n]]"), []string{"line 3", "invalid character"}},
		{"more text", config("{}\n{}"), []string{"line 2", "more text"}},
		{"unknown name", config(`{"Users": []}`), []string{`unknown name "Users"`, "expected accessKeys, account, certificateAuthorities"}},
		{"same name twice", config(`{"users": [], "users": []}`), []string{`"users" is there twice`}},
		{"users of another type", config(`{"users": {"alice": "x"}}`), []string{"users is {", "expected a list"}},
		{"null", config(`{"users": null}`), []string{"users is null, expected a list"}},
		{"user without password", config(`{"users": [{"name": "alice"}]}`), []string{"users[0] has no name or no password"}},
		{"user with empty password", config(`{"users": [{"name": "alice", "password": ""}]}`), []string{"users[0]"}},
		{"user twice", config(`{"users": [{"name": "a", "password": "1"}, {"name": "a", "password": "2"}]}`), []string{`users[1].name is "a"`}},
		{"password is a number", config(`{"users": [{"name": "a", "password": 4711}]}`), []string{"users[0].password is no text in quotes"}},
		{"secret is a number", config(`{"accessKeys": [{"id": "AKIAEXAMPLE", "secret": 4711}]}`), []string{"accessKeys[0].secret is no text in quotes"}},
		{"users with passwords", config(`{"users": {"alice": "4711"}}`), []string{"users is {..., expected a list"}},
		{"unknown name in a user", config(`{"users": [{"user": "a"}]}`), []string{`unknown name "user" in users[0]`}},
		{"no policy of a user", config(`{"users": [{"name": "a", "password": "1", "policies": ["p"]}]}`), []string{"users[0] (a)", "Policy p cannot be found"}},
		{"no list of policies", config(`{"users": [{"name": "a", "password": "1", "policies": "p"}]}`), []string{`users[0].policies is "p", expected a list`}},
		{"policies are a list", config(`{"policies": []}`), []string{"policies", "expected an object in braces"}},
		{"malformed policy", config(`{"policies": {"p": {"Version": "2012-10-17", "Statement": []}}}`), []string{"policies.p", "malformed"}},
		{"key without secret", config(`{"accessKeys": [{"id": "AKIAEXAMPLE"}]}`), []string{"accessKeys[0] has no id or no secret"}},
		{"key with a short id", config(`{"accessKeys": [{"id": "A", "secret": "s"}]}`), []string{"accessKeys[0] (A)"}},
		{"unknown name in a key", config(`{"accessKeys": [{"key": "A"}]}`), []string{`unknown name "key" in accessKeys[0]`}},
		{"certificate without file", config(`{"certificates": [{"status": "ACTIVE"}]}`), []string{"certificates[0] has no file"}},
		{"certificate that is not there", config(`{"certificates": [{"file": "x.crt"}]}`), []string{`certificates[0].file is "x.crt", expected a file`}},
		{"certificate that is none", config(`{"certificates": [{"file": "hub.json"}]}`), []string{"certificates[0]"}},
		{"authority that is none", config(`{"certificateAuthorities": [{"file": "hub.json"}]}`), []string{"certificateAuthorities: ", "CAFiles[0]", "hub.json"}},
		{"authority with a bad key", config(`{"certificateAuthorities": [{"file": "hub.json", "keyFile": "hub.json"}]}`), []string{"certificateAuthorities[0]", "do not fit together"}},
		{"authority that is not there", config(`{"certificateAuthorities": [{"file": "x.crt"}]}`), []string{`certificateAuthorities[0].file is "x.crt", expected a file`}},
		{"auto is text", config(`{"certificateAuthorities": [{"file": "hub.json", "autoRegister": "yes"}]}`), []string{`certificateAuthorities[0].autoRegister is "yes", expected true or false`}},
		{"bad CRL", config(`{"crl": "hub.json"}`), []string{"crl: ", "hub.json"}},
		{"CRL that is not there", config(`{"crl": "x.crl"}`), []string{`crl is "x.crl", expected a file`}},
		{"jwt no list", config(`{"jwt": {}}`), []string{"jwt is {", "expected a list"}},
		{"jwt empty", config(`{"jwt": [{}]}`), []string{"jwt[0] has no userName, issuer, audience or keyFile"}},
		{"jwt unknown name", config(`{"jwt": [{"key": "x"}]}`), []string{`unknown name "key" in jwt[0], expected userName`}},
		{"jwt without file", config(`{"jwt": [{"keyFile": "k.pub"}]}`), []string{`jwt[0].keyFile is "k.pub", expected a file`}},
		{"jwt no key", config(`{"jwt": [{"userName": "j", "issuer": "i", "audience": "a", "keyFile": "hub.json"}]}`), []string{"jwt[0]: ", "no PEM"}},
		{"oidc no list", config(`{"oidc": "x"}`), []string{`oidc is "x", expected a list`}},
		{"oidc empty", config(`{"oidc": [{"name": "x"}]}`), []string{"oidc[0] has no name, issuer or clientID"}},
		{"oidc unknown name", config(`{"oidc": [{"audience": "x"}]}`), []string{`unknown name "audience" in oidc[0]`}},
		{"oidc no URL", config(`{"oidc": [{"name": "x", "issuer": "corp", "clientID": "hub"}]}`), []string{"oidc[0]: ", `Config.Issuer is "corp"`}},
		{"oidc in plain text", config(`{"oidc": [{"name": "x", "issuer": "http://corp.test", "clientID": "hub"}]}`), []string{"oidc[0]: ", "expected https://"}},
		{"oidc without its policy", config(`{"oidc": [{"name": "x", "issuer": "https://corp.test", "clientID": "hub", "authenticatedPolicies": ["p"]}]}`), []string{`oidc[0] has the policy "p"`}},
		{"oidc twice", config(`{"oidc": [{"name": "x", "issuer": "https://corp.test", "clientID": "hub"}, {"name": "x", "issuer": "https://corp.test", "clientID": "app"}]}`), []string{`oidc[1] has the user name "x" and the issuer "https://corp.test" of oidc[0]`}},
		{"user name of tokens", config(`{"users": [{"name": "x", "password": "p"}], "oidc": [{"name": "x", "issuer": "https://corp.test", "clientID": "hub"}]}`), []string{`users[0].name is "x", which is the user name for tokens of oidc[0]`}},
		{"half of tls", config(`{"tls": {"cert": "server.crt"}}`), []string{"tls.cert and tls.key", "expected both"}},
		{"tls without files", config(`{"tls": {"cert": "server.crt", "key": "server.key"}}`), []string{`tls.cert is "server.crt"`, "no such file"}},
		{"unknown name in tls", config(`{"tls": {"ca": "x"}}`), []string{`unknown name "ca" in tls`, "expected cert, key, serverNames or serverNameOptional"}},
		{"server name is text", config(`{"tls": {"serverNames": "hub.local"}}`), []string{`tls.serverNames is "hub.local", expected a list`}},
		{"optional server name is text", config(`{"tls": {"serverNameOptional": "yes"}}`), []string{`tls.serverNameOptional is "yes", expected true or false`}},
		{"bad origin", config(`{"webSocketOrigins": ["[x"]}`), []string{`webSocketOrigins[0] is "[x"`}},
		{"account is a number", config(`{"account": 123456789012}`), []string{"account is 123456789012, expected a text in quotes"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ended, cancel := context.WithCancel(t.Context())
			cancel() // whatever starts all the same ends at once
			var stdout, stderr bytes.Buffer
			require.Equal(t, 2, run(ended, nil, tt.args, &stdout, &stderr))
			require.Empty(t, stdout.String())
			sentence := stderr.String()
			if i := strings.LastIndex(strings.TrimSpace(sentence), "\n"); i >= 0 {
				require.Contains(t, sentence[:i], "level=WARN", "only the log comes before the sentence")
				sentence = sentence[i+1:]
			}
			require.True(t, strings.HasPrefix(sentence, "standalone: "), sentence)
			for _, want := range tt.want {
				require.Contains(t, sentence, want)
				require.NotContains(t, sentence, "4711", "a secret")
			}
		})
	}
}
