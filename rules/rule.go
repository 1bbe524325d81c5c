package rules

import (
	"slices"
	"time"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules/sql"
)

// Version is a version of the rule language.
type Version = sql.Version

// The versions.
const (
	V2015 = sql.V2015
	V2016 = sql.V2016
	Beta  = sql.Beta
)

// A Rule says which messages lead to which actions.
type Rule struct {
	// Name has 1 to 128 letters, digits and underscores.
	Name string
	// SQL is the statement, in the language of package sql. A statement without FROM
	// is for messages of Basic Ingest alone: those on $aws/rules/{name}/....
	SQL string
	// Version is the version of the language. Default V2016. (A rule that comes as
	// JSON without a version has V2015, as in AWS.)
	Version Version
	// Expr is the rule in another language. A rule has either SQL or Expr.
	Expr *Expr
	// Description is for people.
	Description string
	// Disabled rules get no messages.
	Disabled bool
	// Actions are up to 10. They run independently of each other.
	Actions []actions.Action
	// ErrorAction, if there is one, runs once for each message for which actions
	// failed. Its payload is a report; its templates see the original message and may
	// not use functions that call out.
	ErrorAction actions.Action
	// Delivery says how much may wait and how actions are retried. What is 0 is as in
	// [Config.Delivery].
	Delivery Delivery

	// Filter is the topic filter of the statement, empty without FROM. It is set by the
	// service, and ignored in rules that come in. So are the next ones.
	Filter string
	// Created is when the rule was created first.
	Created time.Time
	// Warnings tell what in the rule can never yield a value although the language has
	// it, such as a wrong date pattern: a constant mistake that AWS lets pass too. They
	// are of ErrSQL; Field says where, Err is an [*sql.Error] with the position.
	Warnings []*Error
	// Broken is why a rule that was loaded from the store cannot work, nil if it does:
	// something of its configuration is no longer there. Such a rule gets no messages.
	Broken error
}

// clone copies what a caller could change.
func (r Rule) clone() Rule {
	r.Actions = slices.Clone(r.Actions)
	r.Warnings = slices.Clone(r.Warnings)
	if r.Expr != nil {
		e := *r.Expr
		r.Expr = &e
	}
	return r
}

// A Delivery says how the messages of a rule get to its actions.
type Delivery struct {
	// Queue is how many messages may wait or be in work. A message that comes when there
	// are as many is dropped and counted, and goes to the error action, if there is one
	// and not as many wait for that too, of QoS 0 half as many. Default 1000.
	Queue int
	// Reserve is how many more there may be of QoS 1 and 2. Default: as many as Queue;
	// negative: none.
	Reserve int
	// QueueBytes bounds the payloads of what waits or is in work, in and outgoing, each
	// counted once if they are the same; messages of QoS 1 and 2 may have as much again.
	// A message that comes when nothing waits is taken however large it is. What a worker
	// makes of a message that was taken counts from then on. Default 16 MiB.
	QueueBytes int
	// Lanes is how many messages of the rule an action works on at once. Messages of
	// one topic, or client, take the same lane, one after the other: see Order. Changing
	// the number or the order of a running rule may reorder what waits. Default 4.
	Lanes int
	// Order says whose messages stay in order: those of a topic, or those of a client.
	Order Order
	// Retry says how actions are tried again: by default 5 tries in all, 200 ms to 10 s
	// apart, for messages up to 1 minute old, each try within 10 s. An action may know
	// better.
	Retry actions.Retry
}

// An Order says which messages of a rule take the same lane, one after the other.
type Order string

// The orders.
const (
	// OrderByTopic keeps the messages of each topic in order. It is the default.
	OrderByTopic Order = "topic"
	// OrderByClient keeps the messages of each client in order, over all topics. Those
	// that no client sent are in order too. Batches can be smaller: they end, for a
	// client, at a message that does not fit, and an action with batches that its far end
	// may take in part (actions.Batch.Distinct) gets one message of each client at a time.
	OrderByClient Order = "client"
)

// or fills in what is 0.
func (d Delivery) or(o Delivery) Delivery {
	or(&d.Queue, o.Queue)
	or(&d.Reserve, o.Reserve)
	or(&d.QueueBytes, o.QueueBytes)
	or(&d.Lanes, o.Lanes)
	or(&d.Order, o.Order)
	d.Retry = orRetry(d.Retry, o.Retry)
	return d
}

func orRetry(r, o actions.Retry) actions.Retry {
	or(&r.Tries, o.Tries)
	or(&r.Backoff, o.Backoff)
	or(&r.MaxBackoff, o.MaxBackoff)
	or(&r.MaxAge, o.MaxAge)
	or(&r.Timeout, o.Timeout)
	return r
}

func or[T comparable](v *T, o T) {
	var zero T
	if *v == zero {
		*v = o
	}
}

// check reports a value that makes no sense.
func (d Delivery) check(field string) error {
	for _, n := range [...]struct {
		name string
		is   int
		most int
	}{
		{"queue", d.Queue, maxQueue}, {"queueBytes", d.QueueBytes, maxQueueBytes}, {"lanes", d.Lanes, maxLanes}, {"tries", d.Retry.Tries, maxTries},
	} {
		if n.is < 0 || n.is > n.most {
			return invalid(field+"."+n.name, "is %d, expected 0 to %d", n.is, n.most)
		}
	}
	switch d.Order {
	case "", OrderByTopic, OrderByClient:
	default:
		return invalid(field+".order", "is %q, expected %s or %s", d.Order, OrderByTopic, OrderByClient)
	}
	if d.Reserve > maxQueue {
		return invalid(field+".reserve", "is %d, expected at most %d", d.Reserve, maxQueue)
	}
	for _, t := range [...]struct {
		name string
		is   time.Duration
	}{
		{"backoff", d.Retry.Backoff}, {"maxBackoff", d.Retry.MaxBackoff}, {"maxAge", d.Retry.MaxAge}, {"timeout", d.Retry.Timeout},
	} {
		if t.is < 0 || t.is > maxTime {
			return invalid(field+"."+t.name, "is %s, expected 0 to %s", t.is, maxTime)
		}
	}
	return nil
}

const (
	maxLanes = 1024
	maxTries = 1000
	maxTime  = 7 * 24 * time.Hour
)

var defaultDelivery = Delivery{
	Queue: 1000, QueueBytes: 16 << 20, Lanes: 4, Order: OrderByTopic,
	Retry: actions.Retry{Tries: 5, Backoff: 200 * time.Millisecond, MaxBackoff: 10 * time.Second, MaxAge: time.Minute, Timeout: 10 * time.Second},
}
