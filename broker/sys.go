package broker

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// sysTopics publishes $SYS topics, retained, under the names other brokers use, so
// that existing dashboards find them. Only what changed is published.
func (s *Server) sysTopics(ctx context.Context) {
	last := map[string]string{}
	publish := func(name, value string) {
		if last[name] == value {
			return
		}
		last[name] = value
		m := &Message{Topic: "$SYS/broker/" + name, Payload: []byte(value), Retain: true, Origin: Origin{Source: FromHub}, Received: time.Now()}
		if err := s.route(m); err != nil && ctx.Err() == nil {
			s.log.Debug("broker: $SYS topic not published", "topic", m.Topic, "err", err)
		}
	}
	publish("version", s.cfg.Version)
	tick := time.NewTicker(s.cfg.SysInterval)
	defer tick.Stop()
	start := time.Now()
	for {
		m := s.Metrics()
		num := func(name string, v uint64) { publish(name, strconv.FormatUint(v, 10)) }
		publish("uptime", fmt.Sprintf("%d seconds", int(time.Since(start).Seconds())))
		num("clients/connected", uint64(m.Connections))
		num("clients/total", uint64(m.Sessions))
		num("clients/disconnected", uint64(max(0, m.Sessions-m.Connections)))
		num("subscriptions/count", uint64(m.Subscriptions))
		num("retained messages/count", uint64(max(0, m.RetainedMessages)))
		num("bytes/received", m.BytesReceived)
		num("bytes/sent", m.BytesSent)
		num("messages/received", m.PacketsReceived)
		num("publish/messages/received", m.Received[0]+m.Received[1]+m.Received[2])
		num("publish/messages/sent", m.Delivered[0]+m.Delivered[1]+m.Delivered[2])
		dropped := uint64(0)
		for _, n := range m.Dropped {
			dropped += n
		}
		num("publish/messages/dropped", dropped)
		num("store/messages/count", uint64(m.Queued))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
