package thinghub_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/custom"
	"github.com/thinghub/thinghub/broker"
)

// door is an authorizer's function that tells what a test wants it to.
type door struct {
	asked  atomic.Int32
	answer atomic.Value // of func() (*custom.Response, error)
}

func (d *door) say(f func() (*custom.Response, error)) { d.answer.Store(f) }

// open lets the visitor in, with policies, for so many seconds.
func (d *door) open(disconnect, refresh int, policies ...string) {
	d.say(func() (*custom.Response, error) {
		r := &custom.Response{IsAuthenticated: true, PrincipalID: "visitor", DisconnectAfterInSeconds: disconnect, RefreshAfterInSeconds: refresh}
		for _, p := range policies {
			r.PolicyDocuments = append(r.PolicyDocuments, custom.Document(p))
		}
		return r, nil
	})
}

func (d *door) Authorize(context.Context, *custom.Request) (*custom.Response, error) {
	d.asked.Add(1)
	return d.answer.Load().(func() (*custom.Response, error))()
}

// newDoor makes a hub whose default authorizer is a door.
func newDoor(t *testing.T) (*thinghub.Hub, *door) {
	t.Helper()
	d := &door{}
	hub, err := thinghub.New(thinghub.Config{
		Logger:           slog.New(slog.DiscardHandler),
		AuthorizerConfig: custom.Config{Functions: map[string]custom.Function{"door": d}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hub.Close()) })
	_, err = hub.Authorizers().CreateAuthorizer(t.Context(), custom.NewAuthorizer{Name: "corp", FunctionARN: "door", SigningDisabled: true, Status: custom.Active})
	require.NoError(t, err)
	_, err = hub.Authorizers().SetDefaultAuthorizer(t.Context(), "corp")
	require.NoError(t, err)
	return hub, d
}

// visit connects in the process.
func visit(t *testing.T, hub *thinghub.Hub) (client *paho.Client, lost chan byte, err error) {
	t.Helper()
	nc, err := hub.Dial(t.Context())
	require.NoError(t, err)
	lost = make(chan byte, 2)
	client = paho.NewClient(paho.ClientConfig{
		Conn:               packets.NewThreadSafeConn(nc),
		OnServerDisconnect: func(d *paho.Disconnect) { lost <- d.ReasonCode },
		OnClientError:      func(error) { lost <- 0xff },
	})
	ack, err := client.Connect(t.Context(), &paho.Connect{ClientID: "v", CleanStart: true, KeepAlive: 0, UsernameFlag: true, Username: "v"})
	if err != nil {
		require.NotNil(t, ack, "it is told")
		err = broker.Refuse(broker.ReasonCode(ack.ReasonCode), ack.Properties.ReasonString)
	}
	return client, lost, err
}

// An authorizer's policies count until it is asked again, and the connection lasts as long
// as it said.
func TestCustomAuthorizer_Timers(t *testing.T) {
	t.Parallel()
	connect := allows("iot:Connect", "client/v")
	synctest.Test(t, func(t *testing.T) {
		hub, d := newDoor(t)
		// Several documents count together; times out of bounds are the nearest ones.
		d.open(0, 86401, connect, allows("iot:Publish", "topic/a"), allows("iot:Publish", "topic/b"))
		client, lost, err := visit(t, hub)
		require.NoError(t, err)
		may := func(topic string) bool {
			_, err := client.Publish(t.Context(), &paho.Publish{Topic: topic, QoS: 1})
			return err == nil
		}
		require.True(t, may("a"))
		require.True(t, may("b"))
		require.False(t, may("c"))
		time.Sleep(300*time.Second - time.Millisecond)
		require.Empty(t, lost)
		time.Sleep(time.Second)
		synctest.Wait()
		require.NotEqual(t, byte(0xff), <-lost, "it is told")
		require.EqualValues(t, 1, d.asked.Load())

		d.open(86401, 0, connect, allows("iot:Publish", "topic/a"))
		client, lost, err = visit(t, hub)
		require.NoError(t, err)
		d.open(86400, 300, connect, allows("iot:Publish", "topic/b"))
		time.Sleep(299 * time.Second)
		require.True(t, may("a"), "which counts until then")
		time.Sleep(time.Second)
		synctest.Wait()
		require.False(t, may("a"))
		require.True(t, may("b"))
		// A failure changes nothing, nor does an answer that breaks the rules.
		for _, f := range []func() (*custom.Response, error){
			func() (*custom.Response, error) { return nil, errors.New("no database") },
			func() (*custom.Response, error) {
				return &custom.Response{IsAuthenticated: true, PrincipalID: "visitor"}, nil
			},
			func() (*custom.Response, error) { panic("oh") },
		} {
			d.say(f)
			time.Sleep(300 * time.Second)
			synctest.Wait()
			require.True(t, may("b"))
		}
		require.Empty(t, lost)
		// A deny that comes with a refresh counts for what is delivered, too.
		d.open(86400, 300, connect, allows("iot:Publish iot:Subscribe iot:Receive", "topic/*", "topicfilter/*"))
		time.Sleep(300 * time.Second)
		synctest.Wait()
		require.True(t, may("c"))
		// Somebody else is not who came in, and who is not authenticated any more must go.
		d.say(func() (*custom.Response, error) { return &custom.Response{}, nil })
		time.Sleep(300 * time.Second)
		synctest.Wait()
		require.Equal(t, byte(broker.NotAuthorized), <-lost)
		_, _, err = visit(t, hub)
		require.Error(t, err)

		d.open(86400, 300, connect)
		_, lost, err = visit(t, hub)
		require.NoError(t, err)
		d.say(func() (*custom.Response, error) {
			return &custom.Response{IsAuthenticated: true, PrincipalID: "another", PolicyDocuments: []custom.Document{custom.Document(connect)}}, nil
		})
		time.Sleep(300 * time.Second)
		synctest.Wait()
		require.Equal(t, byte(broker.NotAuthorized), <-lost)

		// An authorizer that is switched off refreshes nobody.
		d.open(86400, 300, connect)
		_, lost, err = visit(t, hub)
		require.NoError(t, err)
		off := custom.Inactive
		_, err = hub.Authorizers().UpdateAuthorizer(t.Context(), "corp", custom.Change{Status: &off})
		require.NoError(t, err)
		time.Sleep(300 * time.Second)
		synctest.Wait()
		require.Equal(t, byte(broker.NotAuthorized), <-lost)
	})
}

// Answers that are none let nobody in, over MQTT or HTTP, and say so: they are failures, not
// refusals.
func TestCustomAuthorizer_Answers(t *testing.T) {
	t.Parallel()
	hub, d := newDoor(t)
	connect := custom.Document(allows("iot:Connect iot:Publish", "client/v", "topic/a"))
	many := make([]custom.Document, 11)
	for i := range many {
		many[i] = connect
	}
	good := func(change func(*custom.Response)) *custom.Response {
		r := &custom.Response{IsAuthenticated: true, PrincipalID: "visitor", PolicyDocuments: []custom.Document{connect}}
		change(r)
		return r
	}
	web := func() int {
		r := httptest.NewRequest(http.MethodPost, "https://hub.test/topics/a", strings.NewReader("x"))
		r.SetBasicAuth("v", "")
		return serve(hub.DataPlane(), r).Code
	}
	for name, c := range map[string]struct {
		answer *custom.Response
		mqtt   broker.ReasonCode
		http   int
	}{
		"good":             {good(func(*custom.Response) {}), broker.Success, 200},
		"ten documents":    {good(func(r *custom.Response) { r.PolicyDocuments = many[:10] }), broker.Success, 200},
		"refused":          {&custom.Response{}, broker.NotAuthorized, 401},
		"refused, with":    {good(func(r *custom.Response) { r.IsAuthenticated = false }), broker.NotAuthorized, 401},
		"no principal":     {good(func(r *custom.Response) { r.PrincipalID = "" }), broker.ServerUnavailable, 500},
		"a bad principal":  {good(func(r *custom.Response) { r.PrincipalID = "alice@corp" }), broker.ServerUnavailable, 500},
		"no documents":     {good(func(r *custom.Response) { r.PolicyDocuments = nil }), broker.ServerUnavailable, 500},
		"eleven documents": {good(func(r *custom.Response) { r.PolicyDocuments = many }), broker.ServerUnavailable, 500},
		"a bad document": {good(func(r *custom.Response) {
			r.PolicyDocuments = append(r.PolicyDocuments, `{"Version":"2012-10-17","Statement":{"Effect":"deny","Action":"iot:Publish","Resource":"*"}}`)
		}), broker.ServerUnavailable, 500},
		"nothing": {nil, broker.ServerUnavailable, 500},
	} {
		d.say(func() (*custom.Response, error) { return c.answer, nil })
		_, _, err := visit(t, hub)
		require.Equal(t, c.mqtt, broker.ReasonOf(err), name)
		require.Equal(t, c.http, web(), name)
	}
}
