package main

import (
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/broker"
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
)

// label makes the standard's name of a reason a label value like "not_authorized".
var label = strings.NewReplacer(" ", "_", "-", "_")

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		connections, sessions, subscriptions, filters, retainedMessages, inFlight, queued,
		connectionsOpened, connectsAccepted, takeOvers, bytesReceived, bytesSent, packetsReceived,
		received, delivered, acknowledged, dropped, refusedConnects, refusedPublishes, refusedSubscribes, disconnects,
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
}
