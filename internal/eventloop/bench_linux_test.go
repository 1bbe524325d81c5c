package eventloop_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkWakeUp is one small message there and back: a wake-up of the loop and
// one of the client's goroutine.
func BenchmarkWakeUp(b *testing.B) {
	for _, idle := range []int{0, 1000} {
		b.Run(fmt.Sprint(idle, " idle"), func(b *testing.B) {
			l := newLoop(b)
			for range idle {
				attach(b, l, &handler{})
			}
			client, _ := attach(b, l, &handler{data: echo})
			buf := make([]byte, 64)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.Write(buf); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(client, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPost is a function that another goroutine has the loop run.
func BenchmarkPost(b *testing.B) {
	l := newLoop(b)
	done := make(chan struct{})
	f := func() { done <- struct{}{} }
	b.ReportAllocs()
	for b.Loop() {
		require.True(b, l.Post(f))
		<-done
	}
}
