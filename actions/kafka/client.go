package kafka

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/thinghub/thinghub/actions"
)

// Config configures a [Client].
type Config struct {
	// Sink has the name by which rules call the client, and its circuit breaker. Its
	// kind is always "kafka".
	Sink actions.SinkConfig
	// Brokers are addresses, HOST:PORT, of brokers of the cluster to begin with.
	Brokers []string
	// Options are further options of franz-go: kgo.DialTLSConfig for TLS, kgo.SASL for a
	// login, kgo.WithLogger, times. What decides about delivery is this package's and
	// cannot be set: acknowledgements (see [Action.ClientProperties]), retries, the
	// partitioner, buffers and transactions.
	Options []kgo.Opt
}

// A Client is a producer for a Kafka cluster, for all actions that write there. Its methods
// may be called concurrently.
type Client struct {
	cfg        Config
	sink       *actions.Sink
	security   string   // security.protocol
	mechanisms []string // of SASL

	mu        sync.Mutex
	producers map[variant]*producer
	closed    bool
}

// Open returns a client. It does not connect yet, so the cluster may be down.
func Open(cfg Config) (*Client, error) {
	if len(cfg.Brokers) == 0 {
		return nil, errors.New("kafka: Config.Brokers is empty, expected the address of a broker")
	}
	cfg.Brokers, cfg.Options = slices.Clone(cfg.Brokers), slices.Clone(cfg.Options)
	cfg.Sink.Kind = kind
	c := &Client{cfg: cfg, sink: actions.NewSink(cfg.Sink), producers: map[variant]*producer{}}
	p, err := c.producer(variant{acks: "all"})
	if err != nil {
		return nil, err
	}
	c.look(p.kgo)
	if what := unfit(p.kgo); what != "" {
		c.Close()
		return nil, fmt.Errorf("kafka: Config.Options has %s, which cannot be used", what)
	}
	return c, nil
}

// look notes how the client connects.
func (c *Client) look(k *kgo.Client) {
	secure, _ := k.OptValue(kgo.DialTLS).(bool)
	login, _ := k.OptValue(kgo.SASL).([]sasl.Mechanism)
	for _, m := range login {
		c.mechanisms = append(c.mechanisms, m.Name())
	}
	switch {
	case secure && len(login) > 0:
		c.security = "SASL_SSL"
	case secure:
		c.security = "SSL"
	case len(login) > 0:
		c.security = "SASL_PLAINTEXT"
	default:
		c.security = "PLAINTEXT"
	}
}

// unfit names an option under which nothing would be sent by itself.
func unfit(k *kgo.Client) string {
	if manual, _ := k.OptValue(kgo.ManualFlushing).(bool); manual {
		return "ManualFlushing"
	}
	if id, _ := k.OptValue(kgo.TransactionalID).(string); id != "" {
		return "TransactionalID"
	}
	return ""
}

// Close closes the connections. Actions fail afterwards.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	all := c.producers
	c.producers = map[variant]*producer{}
	c.mu.Unlock()
	for _, p := range all {
		p.kgo.Close()
	}
	return nil
}

// Sink is how the cluster is.
func (c *Client) Sink() *actions.Sink { return c.sink }

// Action returns a as an action that writes with this client. What is wrong with it is
// said by its Check, when the rule is put.
func (c *Client) Action(a Action) *Action {
	a.client = c
	v, err := c.variant(a.ClientProperties)
	if err == nil {
		a.producer, err = c.producer(v)
	}
	a.wrong = err
	return &a
}

// Kinds returns the decoder of "kafka" for rules.Config.Kinds. An action in JSON names one
// of the clients as "sink" or as "destinationArn"; if there is one client only, it need not.
func Kinds(clients ...*Client) map[string]actions.Decoder {
	return map[string]actions.Decoder{kind: func(parameters []byte) (actions.Action, error) {
		o := actions.ReadObject(parameters)
		a := decode(o)
		if err := o.Done(); err != nil {
			return nil, err
		}
		field, name := "sink", a.SinkName
		if a.DestinationARN != "" {
			of := destination(a.DestinationARN)
			if name != "" && name != of {
				return nil, actions.WrongField("destinationArn", a.DestinationARN, "the sink "+name)
			}
			field, name = "destinationArn", of
		}
		var known []string
		for _, c := range clients {
			if n := c.sink.Name(); n == name || name == "" && len(clients) == 1 {
				bound := c.Action(a)
				return bound, bound.Check()
			}
			known = append(known, c.sink.Name())
		}
		return nil, actions.WrongField(field, name, names(known))
	}}
}

// destination returns the name in an ARN of a destination, such as
// "arn:aws:iot:eu-central-1:123456789012:ruledestination/vpc/main", or the text.
func destination(arn string) string {
	if strings.HasPrefix(arn, "arn:") && strings.Contains(arn, ":ruledestination/") {
		return arn[strings.LastIndexByte(arn, '/')+1:]
	}
	return arn
}

// Times of the library, which the host's options may change.
const (
	dialTime    = 5 * time.Second
	answerTime  = 5 * time.Second
	metadataAge = 250 * time.Millisecond
)

// producer returns the producer of a variant.
func (c *Client) producer(v variant) (*producer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.producers[v]; p != nil {
		return p, nil
	}
	if c.closed {
		return nil, errors.New("kafka: the client is closed")
	}
	p := newProducer()
	opts := append([]kgo.Opt{
		kgo.ClientID("thinghub"),
		kgo.DialTimeout(dialTime),
		kgo.ProduceRequestTimeout(answerTime),
		kgo.RequestTimeoutOverhead(answerTime),
		kgo.RetryTimeout(answerTime),
		kgo.MetadataMinAge(metadataAge),
		kgo.DisableClientMetrics(),
	}, c.cfg.Options...)
	opts = append(opts,
		kgo.SeedBrokers(c.cfg.Brokers...),
		kgo.WithHooks(p),
		kgo.RecordPartitioner(partitioner{}),
		kgo.ProducerLinger(0), // the engine has put the batch together
		kgo.MaxBufferedRecords(2*maxBuffered),
		// The engine is to see what fails, and so it is not tried often here. That bounds
		// only what is known not to be written: what may be written is tried until it is
		// known, because the sequence of numbers by which Kafka tells duplicates apart
		// would have a gap otherwise.
		kgo.RecordRetries(2),
		kgo.UnknownTopicRetries(2),
		kgo.RequestRetries(2),
		kgo.RetryBackoffFn(backoff),
	)
	var err error
	if p.kgo, err = kgo.NewClient(append(opts, v.options()...)...); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	c.producers[v] = p
	return p, nil
}

// backoff is how long the library waits after a number of failures.
func backoff(fails int) time.Duration {
	d := min(50*time.Millisecond<<min(fails, 10), time.Second)
	return d/2 + rand.N(d/2)
}
