// Package eventloop carries the bytes of many TCP connections with one goroutine
// per loop instead of one per connection. A connection at rest costs a small
// record: no goroutine, no stack, no buffer.
//
// It knows nothing of MQTT. A [Loop] reads whatever a connection has into one
// large shared buffer and hands it to the connection's [Handler]; after each round
// of events it calls the hook it was made with, which is where a broker flushes
// what the round produced.
//
// The loop waits in Go's own network poller (the epoll descriptor is itself
// registered there), so an idle loop blocks no thread and a busy one is scheduled
// and preempted like any goroutine. On systems without epoll [New] returns
// [ErrUnsupported] and the caller falls back to a goroutine per connection.
package eventloop
