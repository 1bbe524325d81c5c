package eventloop_test

import (
	"fmt"
	"net"

	"github.com/thinghub/thinghub/internal/eventloop"
)

// A shouter answers in capitals, as far as the socket takes it.
type shouter struct {
	conn *eventloop.Conn
	gone chan error
}

func (s *shouter) Data(p []byte) {
	for i, b := range p {
		if 'a' <= b && b <= 'z' {
			p[i] = b - 'a' + 'A'
		}
	}
	_, _ = s.conn.Write(p)
}
func (s *shouter) Writable()      {}
func (s *shouter) Gone(err error) { s.gone <- err }

func Example() {
	loop, err := eventloop.New(func() {})
	if err != nil {
		panic(err)
	}
	done := make(chan error)
	go func() { done <- loop.Run() }()

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		panic(err)
	}
	nc, err := ln.Accept()
	if err != nil {
		panic(err)
	}
	s := &shouter{gone: make(chan error, 1)}
	if s.conn, err = loop.Add(nc.(*net.TCPConn)); err != nil {
		panic(err)
	}
	if err := s.conn.Start(s); err != nil {
		panic(err)
	}

	_, _ = fmt.Fprint(client, "is anybody there?")
	answer := make([]byte, 100)
	n, _ := client.Read(answer)
	fmt.Println(string(answer[:n]))
	_ = client.Close()
	fmt.Println(<-s.gone)
	loop.Close()
	fmt.Println(<-done)
	_ = ln.Close()
	// Output:
	// IS ANYBODY THERE?
	// EOF
	// <nil>
}
