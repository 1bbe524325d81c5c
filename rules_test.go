package thinghub_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/hubtest"
	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/rules/sql"
	"github.com/thinghub/thinghub/shadow"
)

// put puts a rule whose action says what comes of it.
func put(t *testing.T, hub *thinghub.Hub, sql string, more ...actions.Action) *actions.Recorder {
	t.Helper()
	seen := actions.NewRecorder()
	require.NoError(t, hub.Rules().Put(t.Context(), rules.Rule{Name: "rule", SQL: sql, Actions: append(more, seen)}))
	return seen
}

func told(t *testing.T, r *actions.Recorder) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ev, err := r.Next(ctx)
	require.NoError(t, err)
	return string(ev.Payload)
}

// What rules know of a message that came over MQTT.
func TestRules_FactsOfMQTT(t *testing.T) {
	t.Parallel()
	hub, err := thinghub.New(thinghub.Config{Account: "123456789012", Authenticator: auth.InsecureAllowAll{}, Authorizer: auth.InsecureAllowAll{}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = hub.Close() })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = hub.Serve(ln) }()
	seen := put(t, hub, `SELECT clientid() AS client, topic(2) AS machine, sourceip() AS ip, accountid() AS account, get_mqtt_property('content_type') AS type,
		get_mqtt_property('format_indicator') AS format, get_user_properties('k') AS k, temp, isUndefined(traceid()) AS untraced FROM 'dt/+/temp'`)
	nc, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	c := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(nc), PacketTimeout: patience})
	_, err = c.Connect(t.Context(), &paho.Connect{ClientID: "pump-1", CleanStart: true, KeepAlive: 30})
	require.NoError(t, err)
	format := byte(1)
	_, err = c.Publish(t.Context(), &paho.Publish{QoS: 1, Topic: "dt/pump-1/temp", Payload: []byte(`{"temp":81.50}`), Properties: &paho.PublishProperties{
		ContentType: "application/json", PayloadFormat: &format, User: paho.UserProperties{{Key: "k", Value: "v"}, {Key: "k", Value: "w"}},
	}})
	require.NoError(t, err)
	require.JSONEq(t, `{"client":"pump-1","machine":"pump-1","ip":"127.0.0.1","account":"123456789012","type":"application/json","format":"UTF8_DATA",
		"k":["v","w"],"temp":81.50,"untraced":false}`, told(t, seen))
}

func TestRules_FactsOfHTTP(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	seen := put(t, hub.Hub, `SELECT clientid() AS client, isUndefined(traceid()) AS untraced, get_mqtt_property('content_type') AS type FROM 'a'`)
	w := httptest.NewRecorder()
	hub.Handler().ServeHTTP(w, httptest.NewRequest("POST", "http://hub.test/topics/a?qos=1&contentType=text%2Fplain", strings.NewReader("{}")))
	require.Equal(t, 200, w.Code)
	require.JSONEq(t, `{"client":"n/a","untraced":true,"type":"text/plain"}`, told(t, seen))
}

// A message of Basic Ingest goes to its rule and to nobody else.
func TestRules_BasicIngest(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	watch := hub.Recorder(t, "$aws/rules/#")
	everything := hub.Recorder(t, "#")
	device := hub.Client(t, "pump-1")
	seen := put(t, hub.Hub, `SELECT topic() AS topic, topic(2) AS second FROM 'dt/+/temp'`)
	for _, topic := range []string{"$aws/rules/rule/other", "$aws/rules/none/dt/a/temp", "$aws/rules/", "$aws/rules/rule"} {
		require.Zero(t, publishing(t, device, &paho.Publish{QoS: 1, Topic: topic, Payload: []byte(`{}`)}), topic)
	}
	require.Equal(t, byte(broker.NotAuthorized), publishing(t, device, &paho.Publish{Topic: "$aws/rules/rule/dt/a/temp", Retain: true}))
	require.Zero(t, publishing(t, device, &paho.Publish{QoS: 1, Topic: "$aws/rules/rule/dt/a/temp", Payload: []byte(`{}`)}))
	require.JSONEq(t, `{"topic":"dt/a/temp","second":"a"}`, told(t, seen))
	require.Equal(t, uint64(2), hub.Rules().Metrics().RuleNotFound)
	require.Equal(t, uint64(1), hub.Rules().Metrics().Rules["rule"].Matched)
	require.NoError(t, hub.Publish(t.Context(), "last", nil))
	require.Equal(t, "last", everything.Next(t.Context()).Topic)
	require.Empty(t, watch.Messages())
}

// What the hub itself publishes goes by the rules too: answers of shadows, events.
func TestRules_HearTheHub(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	seen := put(t, hub.Hub, `SELECT topic(3) AS thing, state.reported.temp AS temp FROM '$aws/things/+/shadow/update/accepted'`)
	hub.Client(t, "lamp")
	w := httptest.NewRecorder()
	hub.Handler().ServeHTTP(w, httptest.NewRequest("POST", "http://hub.test/things/lamp/shadow", strings.NewReader(`{"state":{"reported":{"temp":7}}}`)))
	require.Equal(t, 200, w.Code)
	require.JSONEq(t, `{"thing":"lamp","temp":7}`, told(t, seen))

	seen = put(t, hub.Hub, `SELECT clientId, eventType FROM '$aws/events/presence/+/+'`)
	hub.Client(t, "second")
	require.JSONEq(t, `{"clientId":"second","eventType":"connected"}`, told(t, seen))
}

// A will leads to what its message leads to.
func TestRules_HearWills(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	seen := put(t, hub.Hub, `SELECT clientid() AS client, * FROM 'wills'`)
	hub.Client(t, "lamp", func(_ *paho.ClientConfig, c *paho.Connect) {
		c.WillMessage = &paho.WillMessage{Topic: "wills", Payload: []byte(`{"gone":true}`)}
		c.WillProperties = &paho.WillProperties{}
	})
	require.NoError(t, hub.Disconnect("lamp", broker.DisconnectOptions{}))
	require.JSONEq(t, `{"client":"lamp","gone":true}`, told(t, seen))
}

// A rule that feeds itself is stopped, whatever way round it goes.
func TestRules_Loops(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql   string
		loops func(hub *hubtest.Hub) actions.Action
		start string
	}{
		"republish": {`SELECT * FROM 'a'`, func(*hubtest.Hub) actions.Action { return actions.Republish{Topic: "a"} }, "a"},
		"shadow": {
			`SELECT 1 AS n FROM '$aws/things/lamp/shadow/update/accepted'`,
			func(*hubtest.Hub) actions.Action { return actions.Shadow{Thing: "lamp", Side: "reported"} },
			"$aws/things/lamp/shadow/update/accepted",
		},
		"republished shadow": {
			`SELECT state FROM '$aws/things/lamp/shadow/update/accepted'`,
			func(*hubtest.Hub) actions.Action {
				return actions.Republish{Topic: "$$aws/things/lamp/shadow/update"}
			},
			"$aws/things/lamp/shadow/update",
		},
		"function": {`SELECT * FROM 'a'`, func(hub *hubtest.Hub) actions.Action {
			return actions.Func(func(ctx context.Context, ev actions.Event) error { return hub.Publish(ctx, "a", ev.Payload) })
		}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := hubtest.New(t, func(c *thinghub.Config) { c.RuleConfig.MaxHops = 3 })
			seen := put(t, hub.Hub, c.sql, c.loops(hub))
			require.NoError(t, hub.Publish(t.Context(), c.start, []byte(`{"state":{"reported":{"n":1}}}`)))
			for range 4 {
				told(t, seen)
			}
			// The last round is on its way still: its action runs beside the recorder.
			require.Eventually(t, func() bool { return hub.Rules().Metrics().Rules["rule"].Dropped.Hops == 1 }, time.Minute, time.Millisecond)
			require.NoError(t, hub.Shutdown(t.Context()))
			m := hub.Rules().Metrics().Rules["rule"]
			require.Equal(t, uint64(4), m.Passed)
			require.Len(t, seen.Events(), 4)
		})
	}
}

// Statements may ask for shadows and things; actions change shadows.
func TestRules_StandOnTheHub(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	ctx := t.Context()
	_, err := hub.Registry().CreateThing(ctx, registry.CreateThingInput{Name: "lamp", Attributes: map[string]string{"site": "north"}})
	require.NoError(t, err)
	_, err = hub.Registry().CreateThingGroup(ctx, registry.CreateGroupInput{Name: "lamps"})
	require.NoError(t, err)
	require.NoError(t, hub.Registry().AddThingToThingGroup(ctx, registry.Membership{Group: "lamps", Thing: "lamp"}))
	_, err = hub.Shadows().Update(ctx, shadow.Key{Thing: "lamp"}, []byte(`{"state":{"desired":{"limit":80}}}`), shadow.Requester{})
	require.NoError(t, err)
	seen := put(t, hub.Hub, `SELECT get_thing_shadow(thing, 'r').state.desired.limit AS limit, isUndefined(get_thing_shadow('none', 'x', 'r')) AS none,
		get_registry_data('DescribeThing', thing, 'r').attributes.site AS site, get(get_registry_data('ListThingGroupsForThing', thing, 'r').thingGroups, 0).groupName AS g,
		isUndefined(get_registry_data('DescribeThing', 'none', 'r')) AS nothing FROM 'a'`, actions.Shadow{Thing: "${thing}", Name: "last", Side: "reported"})
	require.NoError(t, hub.Publish(ctx, "a", []byte(`{"thing":"lamp"}`)))
	want := `{"limit":80,"none":true,"site":"north","g":"lamps","nothing":true}`
	require.JSONEq(t, want, told(t, seen))
	require.NoError(t, hub.Shutdown(ctx))
	v, err := hub.Shadows().Get(ctx, shadow.Key{Thing: "lamp", Name: "last"}, shadow.Requester{})
	require.NoError(t, err)
	require.JSONEq(t, want, string(v.Reported))
}

// A shadow's document that is wrong is not tried again, and the error action hears of it.
func TestRules_ErrorAction(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	failures := hub.Recorder(t, "errors")
	require.NoError(t, hub.Rules().Put(t.Context(), rules.Rule{
		Name: "rule", SQL: `SELECT * FROM 'a'`, Actions: []actions.Action{actions.Shadow{Thing: "lamp"}}, ErrorAction: actions.Republish{Topic: "errors"},
	}))
	require.NoError(t, hub.Publish(t.Context(), "a", []byte(`{"state":5}`)))
	m := failures.Next(t.Context())
	require.Contains(t, string(m.Payload), `State node must be an object`)
	require.Contains(t, string(m.Payload), `"failedAction":"ShadowAction"`)
	require.Equal(t, uint64(0), hub.Rules().Metrics().Rules["rule"].Actions[0].Retries)
}

// Shutdown works what rules have taken.
func TestRules_Shutdown(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	seen := put(t, hub.Hub, `SELECT * FROM 'a'`)
	for range 100 {
		require.NoError(t, hub.Publish(t.Context(), "a", []byte(`{}`)))
	}
	require.NoError(t, hub.Shutdown(t.Context()))
	require.Len(t, seen.Events(), 100)
}

// What rules publish after the clients are gone is told.
func TestRules_PublishWhenNobodyHears(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		log := &lockedBuffer{}
		hub, err := thinghub.New(thinghub.Config{
			Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn})),
			RuleConfig: rules.Config{MaxInline: 10, Functions: map[string]sql.Function{"wait": {Call: func(context.Context, [][]byte) ([]byte, error) {
				<-open
				return []byte("1"), nil
			}}}},
		})
		require.NoError(t, err)
		put(t, hub, `SELECT wait() AS x FROM 'a'`, actions.Republish{Topic: "b"})
		for range 3 {
			require.NoError(t, hub.Publish(t.Context(), "a", []byte(`{"large":"yes"}`)))
		}
		down := make(chan error)
		go func() { down <- hub.Shutdown(t.Context()) }()
		synctest.Wait()
		close(open)
		require.NoError(t, <-down)
		require.Contains(t, log.String(), `level=WARN msg="thinghub: what rules published after the clients were gone reached none of them" messages=3`)

		log = &lockedBuffer{}
		hub, err = thinghub.New(thinghub.Config{Logger: slog.New(slog.NewTextHandler(log, nil))})
		require.NoError(t, err)
		put(t, hub, `SELECT * FROM 'a'`, actions.Republish{Topic: "b"})
		require.NoError(t, hub.Publish(t.Context(), "a", []byte(`{}`)))
		synctest.Wait()
		require.NoError(t, hub.Shutdown(t.Context()))
		require.NotContains(t, log.String(), "reached none")
	})
}

// Close leaves no file open, nor does a New that fails.
func TestRules_CloseTheirFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func() (n int) { // of this process, where the system tells
		list, _ := os.ReadDir("/proc/self/fd")
		for _, e := range list {
			if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, dir) {
				n++
			}
		}
		return n
	}
	var kept []*thinghub.Hub // what is out of reach is closed by the runtime
	for range 20 {
		hub, err := thinghub.New(thinghub.Config{RuleConfig: rules.Config{Files: dir}})
		require.NoError(t, err)
		kept = append(kept, hub)
		seen := put(t, hub, `SELECT * FROM 'a'`, actions.File{Path: "a"})
		require.NoError(t, hub.Publish(t.Context(), "a", []byte(`{}`)))
		told(t, seen)
		require.NoError(t, hub.Close())
	}
	require.Zero(t, open())
	for range 20 {
		_, err := thinghub.New(thinghub.Config{RuleConfig: rules.Config{Files: dir}, Gateway: broker.Config{MaxOutboxBytes: 1}})
		require.Error(t, err)
	}
	require.Zero(t, open())
	runtime.KeepAlive(kept)
}

// What could not be retained was delivered all the same, so rules have it too.
func TestRules_HearWhatWasNotRetained(t *testing.T) {
	t.Parallel()
	hub, err := thinghub.New(thinghub.Config{Gateway: broker.Config{Retained: full{broker.NewMemoryRetained(0, 0)}}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hub.Close()) })
	seen := put(t, hub, `SELECT * FROM '#'`)
	err = hub.PublishMessage(t.Context(), &thinghub.Message{Topic: "a", Payload: []byte(`1`), Retain: true})
	require.ErrorIs(t, err, broker.ErrNotRetained)
	require.Equal(t, `1`, told(t, seen))

	const request = "$aws/things/lamp/shadow/update"
	err = hub.PublishMessage(t.Context(), &thinghub.Message{Topic: request, Payload: []byte(`{"state":{"desired":{"on":1}}}`), Retain: true})
	require.ErrorIs(t, err, broker.ErrNotRetained)
	v, err := hub.Shadows().Get(t.Context(), shadow.Key{Thing: "lamp"}, shadow.Requester{})
	require.NoError(t, err)
	require.EqualValues(t, 1, v.Version)
}

// full keeps nothing more.
type full struct{ broker.RetainedStore }

func (full) Put(context.Context, *broker.Message) error { return errors.New("full") }

// A host may bring its own engine.
type ownEngine struct {
	rules.Engine
	seen chan string
}

func (e ownEngine) Submit(_ context.Context, m *actions.Message) error {
	if !strings.HasPrefix(m.Topic, "$SYS/") { // which come when the test takes long
		e.seen <- m.Topic
	}
	return nil
}

func (ownEngine) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func TestRules_OfTheHost(t *testing.T) {
	t.Parallel()
	e := ownEngine{seen: make(chan string, 1)}
	hub, err := thinghub.New(thinghub.Config{RuleEngine: e})
	require.NoError(t, err)
	require.NoError(t, hub.Publish(t.Context(), "a", nil))
	require.Equal(t, "a", <-e.seen)
	require.Nil(t, hub.Rules())
	require.NoError(t, hub.Close())
}

func TestRuleConfigIsChecked(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]rules.Config{
		"Config.RuleConfig.Publisher is set, expected nil": {Publisher: nobody{}},
		"Config.RuleConfig.Scope is set":                   {Scope: rules.Scope{Account: "1"}},
		"Config.Functions[\"f\"].Call is nil":              {Functions: map[string]sql.Function{"f": {}}},
	} {
		_, err := thinghub.New(thinghub.Config{RuleConfig: cfg})
		require.ErrorContains(t, err, want)
	}
}

type nobody struct{}

func (nobody) Publish(context.Context, *actions.Publication) error { return nil }
