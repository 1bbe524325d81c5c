package interop_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A jsProcess is a Node.js process with clients in it; testdata/wire.js is its other
// end.
type jsProcess struct {
	*process
	mu      sync.Mutex
	last    int
	answers map[int]chan jsEvent
	clients map[string]*jsClient
}

// A jsClient is one client of a process.
type jsClient struct {
	p        *jsProcess
	name     string
	messages inbox[jsEvent]
	ups      inbox[jsEvent] // it was connected
	downs    inbox[jsEvent] // the hub said DISCONNECT, the connection was closed, an error
}

type object = map[string]any

// A jsEvent is a line from the process.
type jsEvent struct {
	Event, Client, Topic, Error string
	ID                          int
	Result                      any
	Payload                     []byte
	QoS                         int
	Retain, Dup, SessionPresent bool
	ReasonCode                  int
	Code                        any
	Properties                  object
}

func (e jsEvent) String() string {
	return fmt.Sprintf("%s %d %t %s", e.Topic, e.QoS, e.Retain, e.Payload)
}

// beginJS starts a script of testdata.
func beginJS(t *testing.T, script string) *jsProcess {
	t.Helper()
	require.DirExists(t, "node_modules", "install the packages with: make test (or scripts/testdeps.sh)")
	p := &jsProcess{answers: map[int]chan jsEvent{}, clients: map[string]*jsClient{}}
	p.process = begin(t, "node", "testdata/"+script)
	go func() {
		for {
			select {
			case line := <-p.lines.c:
				p.handle(line)
			case <-p.exited:
				return
			}
		}
	}()
	return p
}

func (p *jsProcess) handle(line string) {
	var e jsEvent
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		fmt.Fprintln(os.Stderr, "not an event:", line)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Event == "answer" {
		p.answers[e.ID] <- e
		return
	}
	c := p.clients[e.Client]
	switch e.Event {
	case "message":
		c.messages.put(e)
	case "connect":
		c.ups.put(e)
	default:
		c.downs.put(e)
	}
}

// ask sends a command and returns the answer, which may be an error.
func (p *jsProcess) ask(t *testing.T, command object) jsEvent {
	t.Helper()
	p.mu.Lock()
	p.last++
	answer := make(chan jsEvent, 1)
	p.answers[p.last] = answer
	command["id"] = p.last
	line, err := json.Marshal(command)
	require.NoError(t, err)
	_, err = p.stdin.Write(append(line, '\n'))
	p.mu.Unlock()
	require.NoError(t, err)
	select {
	case e := <-answer:
		return e
	case <-time.After(patience):
		require.FailNow(t, "no answer from node", "%s", line)
		panic("unreachable")
	}
}

// open makes a client and starts connecting it.
func (p *jsProcess) open(t *testing.T, name string, connect object) *jsClient {
	t.Helper()
	c := &jsClient{p: p, name: name, messages: newInbox[jsEvent](), ups: newInbox[jsEvent](), downs: newInbox[jsEvent]()}
	p.mu.Lock()
	p.clients[name] = c
	p.mu.Unlock()
	c.do(t, "connect", connect)
	return c
}

func (c *jsClient) ask(t *testing.T, op string, args object) jsEvent {
	t.Helper()
	command := object{"op": op, "client": c.name}
	for k, v := range args {
		command[k] = v
	}
	return c.p.ask(t, command)
}

// do asks for something that has to succeed.
func (c *jsClient) do(t *testing.T, op string, args object) any {
	t.Helper()
	e := c.ask(t, op, args)
	require.Empty(t, e.Error, op)
	return e.Result
}

func (c *jsClient) sub(t *testing.T, filter string, qos int) any {
	t.Helper()
	return c.do(t, "subscribe", object{"filters": object{filter: object{"qos": qos}}})
}

func (c *jsClient) pub(t *testing.T, name, payload string, qos int) {
	t.Helper()
	c.do(t, "publish", object{"topic": name, "payload": b64(payload), "qos": qos})
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
