package rabbitmq

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

func url(addr string) string { return "amqp://guest:guest@" + addr + "/" }

// open opens a client of a broker.
func open(tb testing.TB, addr string) *Client {
	tb.Helper()
	c, err := Open(Config{Sink: sinktest.Quick(kind, "main"), URL: url(addr)})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, c.Close()) })
	return c
}

// admin opens a channel past the client.
func admin(tb testing.TB, addr string) *amqp.Channel {
	tb.Helper()
	conn, err := amqp.Dial(url(addr))
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(tb, err)
	return ch
}

var names atomic.Int64

func newName() string { return fmt.Sprint("events-", names.Add(1)) }

// declare makes an exchange.
func declare(tb testing.TB, ch *amqp.Channel, exchange string) {
	tb.Helper()
	require.NoError(tb, ch.ExchangeDeclare(exchange, amqp.ExchangeTopic, true, false, false, false, nil))
}

// queue makes a queue that gets what an exchange routes by a key.
func queue(tb testing.TB, ch *amqp.Channel, exchange, key string, args amqp.Table) string {
	tb.Helper()
	q, err := ch.QueueDeclare(newName(), true, false, false, false, args)
	require.NoError(tb, err)
	if exchange != "" {
		require.NoError(tb, ch.QueueBind(q.Name, key, exchange, false, nil))
	}
	return q.Name
}

// reader consumes a queue. What it returns has all messages so far.
func reader(tb testing.TB, ch *amqp.Channel, queue string) func() []amqp.Delivery {
	tb.Helper()
	deliveries, err := ch.Consume(queue, "", true, false, false, false, nil)
	require.NoError(tb, err)
	var mu sync.Mutex
	var all []amqp.Delivery
	go func() { // ends with the connection
		for d := range deliveries {
			mu.Lock()
			all = append(all, d)
			mu.Unlock()
		}
	}()
	return func() []amqp.Delivery {
		mu.Lock()
		defer mu.Unlock()
		return all[:len(all):len(all)]
	}
}

// arrived waits for a number of messages.
func arrived(tb testing.TB, read func() []amqp.Delivery, n int) []amqp.Delivery {
	tb.Helper()
	require.Eventually(tb, func() bool { return len(read()) >= n }, 30*time.Second, time.Millisecond)
	require.Len(tb, read(), n)
	return read()
}

// rig is one for package sinktest.
func rig(tb testing.TB, a Action) sinktest.Rig {
	addr := servertest.RabbitMQ(tb)
	ch := admin(tb, addr)
	a.Exchange = newName()
	declare(tb, ch, a.Exchange)
	q := queue(tb, ch, a.Exchange, "sink.#", nil)
	read := reader(tb, ch, q)
	a.RoutingKey = "sink.${clientid()}"
	return sinktest.Rig{
		Addr:   addr,
		Action: func(tb testing.TB, addr string) actions.Action { return open(tb, addr).Action(a) },
		Read: func(tb testing.TB) (records []sinktest.Record) {
			for _, d := range read() {
				records = append(records, sinktest.Parse(tb, d.Body))
			}
			return records
		},
		Break: func(tb testing.TB) func() {
			require.NoError(tb, ch.ExchangeDelete(a.Exchange, false, false))
			return func() {
				// What comes before the queue is bound again would be confirmed and gone.
				rest := a.Exchange + "-rest"
				require.NoError(tb, ch.ExchangeDeclare(rest, "fanout", false, true, false, false, nil))
				require.NoError(tb, ch.QueueBind(q, "", rest, false, nil))
				require.NoError(tb, ch.ExchangeDeclare(a.Exchange, "topic", false, true, false, false, amqp.Table{"alternate-exchange": rest}))
				require.NoError(tb, ch.QueueBind(q, "sink.#", a.Exchange, false, nil))
			}
		},
		Poison: []byte(`{"text":"` + strings.Repeat("x", servertest.RabbitMQMaxMessage) + `"}`),
	}
}

func ordered(tb testing.TB) sinktest.Rig { return rig(tb, Action{}) }

func pipelined(tb testing.TB) sinktest.Rig { return rig(tb, Action{Pipelined: true}) }

func TestFaults(t *testing.T) { sinktest.Run(t, ordered) }

func TestFaultsPipelined(t *testing.T) { sinktest.Run(t, pipelined) }

func BenchmarkThroughput(b *testing.B) { sinktest.Bench(b, ordered) }

func BenchmarkThroughputPipelined(b *testing.B) { sinktest.Bench(b, pipelined) }
