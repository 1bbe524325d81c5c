package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/rules"
)

// collector shows Hub.Metrics to Prometheus, read at each scrape. Its labels are
// few on purpose: a client, a topic or a user never becomes one.
type collector struct{ hub *thinghub.Hub }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("thinghub_"+name, help, labels, nil)
}

var (
	connections       = desc("connections", "Clients that are connected.")
	sessions          = desc("sessions", "Sessions, connected or not.")
	subscriptions     = desc("subscriptions", "Subscriptions of clients and of the host.")
	filters           = desc("filters", "Distinct topic filters that are subscribed to.")
	retainedMessages  = desc("retained_messages", "Retained messages.")
	inFlight          = desc("in_flight_messages", "Messages with QoS 1 and 2 sent to clients and not acknowledged.")
	queued            = desc("queued_messages", "Messages that wait in sessions.")
	connectionsOpened = desc("connections_opened_total", "Connections that were opened.")
	connectsAccepted  = desc("connects_accepted_total", "CONNECT packets that were accepted.")
	takeOvers         = desc("take_overs_total", "Connections that ended because another one came with their client id.")
	bytesReceived     = desc("received_bytes_total", "Bytes from clients.")
	bytesSent         = desc("sent_bytes_total", "Bytes to clients.")
	packetsReceived   = desc("received_packets_total", "MQTT packets from clients.")
	received          = desc("received_messages_total", "Messages accepted from clients.", "qos")
	delivered         = desc("delivered_messages_total", "Messages sent or queued to clients, one for each receiver.", "qos")
	acknowledged      = desc("acknowledged_messages_total", "Deliveries with QoS 1 and 2 that clients completed.")
	dropped           = desc("dropped_messages_total", "Messages that did not reach a client they were meant for.", "reason")
	refusedConnects   = desc("refused_connects_total", "CONNECT packets that were refused.", "reason")
	refusedPublishes  = desc("refused_publishes_total", "Messages of clients that were refused.", "reason")
	refusedSubscribes = desc("refused_subscribes_total", "Topic filters of clients that were refused.", "reason")
	disconnects       = desc("disconnects_total", "Connections of accepted clients that ended.", "reason")
	ruleMatched       = desc("rule_matched_total", "Messages on topics that a rule listens to.", "rule")
	rulePassed        = desc("rule_passed_total", "Messages for which a rule's condition was true.", "rule")
	ruleFailed        = desc("rule_failed_total", "Messages that a rule could not be evaluated for.", "rule", "reason")
	ruleDropped       = desc("rule_dropped_messages_total", "Messages that did not reach a rule's actions.", "rule", "reason")
	ruleQueued        = desc("rule_queued_messages", "Messages that wait for a rule's actions or are in work.", "rule")
	ruleActions       = desc("rule_actions_total", "Events that a rule's action has done or given up.", "rule", "action", "kind", "result")
	ruleRetries       = desc("rule_action_retries_total", "Times that a rule's action was tried again.", "rule", "action", "kind")
	ruleSeconds       = desc("rule_action_seconds_total", "Time that a rule's action took.", "rule", "action", "kind")
	decisions         = desc("auth_events_total", "Logins, operations of the control plane, and refusals of any kind.", "service", "operation", "outcome")
	sinkDown          = desc("sink_down", "Whether calls of a sink fail, so that events wait: 1 or 0.", "kind", "sink")
	sinkWaiting       = desc("sink_waiting", "Callers that wait for a sink to work again.", "kind", "sink")
	sinkCalls         = desc("sink_calls_total", "Calls of a sink.", "kind", "sink")
	sinkFailures      = desc("sink_failures_total", "Calls of a sink that failed for another reason than their events.", "kind", "sink")
	sinkEvents        = desc("sink_events_total", "Events that a sink has taken.", "kind", "sink")
	ruleNotFound      = desc("rule_not_found_total", "Messages of Basic Ingest that named no rule.")
)

// label makes the standard's name of a reason a label value like "not_authorized".
var label = strings.NewReplacer(" ", "_", "-", "_")

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		connections, sessions, subscriptions, filters, retainedMessages, inFlight, queued,
		connectionsOpened, connectsAccepted, takeOvers, bytesReceived, bytesSent, packetsReceived,
		received, delivered, acknowledged, dropped, refusedConnects, refusedPublishes, refusedSubscribes, disconnects,
		ruleMatched, rulePassed, ruleFailed, ruleDropped, ruleQueued, ruleActions, ruleRetries, ruleSeconds, ruleNotFound, decisions,
		sinkDown, sinkWaiting, sinkCalls, sinkFailures, sinkEvents,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	m := c.hub.Metrics()
	gauge := func(d *prometheus.Desc, v int64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	byReason := func(d *prometheus.Desc, counts map[broker.ReasonCode]uint64) {
		for reason, n := range counts {
			counter(d, n, label.Replace(strings.ToLower(reason.String())))
		}
	}
	gauge(connections, m.Connections)
	gauge(sessions, m.Sessions)
	gauge(subscriptions, m.Subscriptions)
	gauge(filters, m.Filters)
	if m.RetainedMessages >= 0 {
		gauge(retainedMessages, m.RetainedMessages)
	}
	gauge(inFlight, m.InFlight)
	gauge(queued, m.Queued)
	counter(connectionsOpened, m.ConnectionsOpened)
	counter(connectsAccepted, m.ConnectsAccepted)
	counter(takeOvers, m.TakeOvers)
	counter(bytesReceived, m.BytesReceived)
	counter(bytesSent, m.BytesSent)
	counter(packetsReceived, m.PacketsReceived)
	for qos := range m.Received {
		counter(received, m.Received[qos], strconv.Itoa(qos))
		counter(delivered, m.Delivered[qos], strconv.Itoa(qos))
	}
	counter(acknowledged, m.Acknowledged)
	for reason, n := range m.Dropped {
		counter(dropped, n, reason)
	}
	byReason(refusedConnects, m.RefusedConnects)
	byReason(refusedPublishes, m.RefusedPublishes)
	byReason(refusedSubscribes, m.RefusedSubscribes)
	byReason(disconnects, m.Disconnects)
	for _, n := range c.hub.AuthCounts() {
		counter(decisions, n.Number, n.Service, n.Operation, n.Outcome.String())
	}
	c.collectRules(ch)
}

// collectRules shows the counters of the rules. Their names are the host's to choose.
func (c collector) collectRules(ch chan<- prometheus.Metric) {
	m := c.hub.Rules().Metrics()
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	counter(ruleNotFound, m.RuleNotFound)
	seen := map[string]int{}
	for _, s := range m.Sinks {
		// Nobody keeps a host from giving two sinks one name, and series must differ.
		id := s.Kind + " " + s.Name
		if seen[id]++; seen[id] > 1 {
			s.Name = fmt.Sprintf("%s %d", s.Name, seen[id])
		}
		down := 0.0
		if s.Down {
			down = 1
		}
		ch <- prometheus.MustNewConstMetric(sinkDown, prometheus.GaugeValue, down, s.Kind, s.Name)
		ch <- prometheus.MustNewConstMetric(sinkWaiting, prometheus.GaugeValue, float64(s.Waiting), s.Kind, s.Name)
		counter(sinkCalls, s.Calls, s.Kind, s.Name)
		counter(sinkFailures, s.Failures, s.Kind, s.Name)
		counter(sinkEvents, s.Events, s.Kind, s.Name)
	}
	for name, r := range m.Rules {
		counter(ruleMatched, r.Matched, name)
		counter(rulePassed, r.Passed, name)
		counter(ruleFailed, r.ParseErrors, name, "payload")
		counter(ruleFailed, r.Failed, name, "evaluation")
		counter(ruleDropped, r.Dropped.QueueFull, name, "queue_full")
		counter(ruleDropped, r.Dropped.Hops, name, "loop")
		counter(ruleDropped, r.Dropped.Closed, name, "closed")
		ch <- prometheus.MustNewConstMetric(ruleQueued, prometheus.GaugeValue, float64(r.Queued), name)
		action := func(at string, a *rules.ActionMetrics) {
			counter(ruleActions, a.Success, name, at, a.Kind, "success")
			counter(ruleActions, a.Failure, name, at, a.Kind, "failure")
			counter(ruleRetries, a.Retries, name, at, a.Kind)
			ch <- prometheus.MustNewConstMetric(ruleSeconds, prometheus.CounterValue, a.Latency.Sum.Seconds(), name, at, a.Kind)
		}
		for i := range r.Actions {
			action(strconv.Itoa(i), &r.Actions[i])
		}
		if r.ErrorAction != nil {
			action("error", r.ErrorAction)
		}
	}
}
