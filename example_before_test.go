package thinghub_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
)

// A host with a ServeMux of its own puts the hub before it. Behind it, the mux would
// redirect "/topics/plant//line" to "/topics/plant/line".
func ExampleHub_Before() {
	hub, err := thinghub.New(thinghub.Config{
		Authenticator: auth.InsecureAllowAll{},
		Authorizer:    auth.InsecureAllowAll{},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()
	got := make(chan string)
	stop, err := hub.Subscribe(context.Background(), "plant/#", func(m *thinghub.Message) { got <- m.Topic })
	if err != nil {
		log.Fatal(err)
	}
	defer stop()

	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the host's own page") })
	server := httptest.NewServer(hub.Before(mux)) // in your program: http.Server{Handler: hub.Before(mux)}
	defer server.Close()

	resp, err := http.Get(server.URL + "/hello")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	page, _ := io.ReadAll(resp.Body)
	fmt.Println(string(page))

	resp, err = http.Post(server.URL+"/topics/plant//line", "text/plain", strings.NewReader("hello"))
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status, <-got)

	// Output:
	// the host's own page
	// 200 OK plant//line
}
