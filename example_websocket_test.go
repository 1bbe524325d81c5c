package thinghub_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/coder/websocket"
	"github.com/eclipse/paho.golang/paho"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
)

// MQTT over WebSocket is one more route of the HTTP server that the host has
// already. For browsers, whose pages come from other hosts, see
// Config.WebSocketOrigins.
func Example_webSocket() {
	ctx := context.Background()
	hub, err := thinghub.New(thinghub.Config{
		Authenticator: auth.InsecureAllowAll{},
		Authorizer:    auth.InsecureAllowAll{},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()

	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the host's own page") })
	mux.Handle("/mqtt", hub.WebSocket())
	server := httptest.NewServer(mux) // in your program: http.ListenAndServeTLS
	defer server.Close()

	resp, err := http.Get(server.URL + "/hello")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	page, _ := io.ReadAll(resp.Body)
	fmt.Println(string(page))

	url := "ws" + strings.TrimPrefix(server.URL, "http") + "/mqtt"
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{"mqtt"}}) //nolint:bodyclose // the library closes it
	if err != nil {
		log.Fatal(err)
	}
	panel := connect(ctx, websocket.NetConn(ctx, ws, websocket.MessageBinary), "panel", nil)
	defer func() { _ = panel.Disconnect(&paho.Disconnect{}) }()
	for _, c := range hub.Clients() {
		fmt.Println(c.ClientID, "over", c.Transport)
	}

	// Output:
	// the host's own page
	// panel over ws
}
