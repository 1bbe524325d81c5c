package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/thinghub/thinghub/broker"
)

// settings collects the -set flags: name=value pairs in their order.
type settings []string

func (s *settings) String() string { return strings.Join(*s, ",") }

func (s *settings) Set(v string) error {
	for pair := range strings.SplitSeq(v, ",") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("%q, expected name=value", pair)
		}
		set, known := known[name]
		if !known {
			return fmt.Errorf("unknown name %q, expected one of %s", name, knownSettings())
		}
		if err := set(&broker.Config{}, value); err != nil {
			return fmt.Errorf("%s is %q, expected %w", name, value, err)
		}
		*s = append(*s, pair)
	}
	return nil
}

// config applies the settings, which Set has checked: the preset first, so that
// single ones can change it.
func (s settings) config() (cfg broker.Config) {
	for _, preset := range []bool{true, false} {
		for _, pair := range s {
			name, value, _ := strings.Cut(pair, "=")
			if (name == "aws_limits") != preset {
				continue
			}
			_ = known[name](&cfg, value)
		}
	}
	return cfg
}

func knownSettings() string {
	names := make([]string, 0, len(known))
	for n := range known {
		names = append(names, n)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// A setting changes the configuration; its error says what was expected.
type setting func(c *broker.Config, value string) error

// known has the names -set takes.
var known = map[string]setting{
	"allow_zero_length_clientid": boolean(func(c *broker.Config, v bool) { c.RefuseEmptyClientID = !v }),
	"aws_limits":                 boolean(awsLimits),
	"connect_timeout":            number(1, 86400, func(c *broker.Config, v int) { c.ConnectTimeout = seconds(v) }),
	"deny_subscribe":             denySubscribe,
	"max_connections":            number(0, math.MaxInt32, func(c *broker.Config, v int) { c.MaxConnections = v }),
	"max_inflight_messages":      number(1, 65535, func(c *broker.Config, v int) { c.MaxInFlight = v }),
	"max_keepalive":              number(0, 65535, func(c *broker.Config, v int) { c.MaxKeepAlive = seconds(v) }),
	"max_packet_size":            number(64, 268435460, func(c *broker.Config, v int) { c.MaxPacketSize = v }),
	"max_queued_messages":        number(1, math.MaxInt32, func(c *broker.Config, v int) { c.MaxQueuedMessages = v }),
	"max_session_expiry":         maxSessionExpiry,
	"maximum_qos":                number(0, 2, maximumQoS),
	"receive_maximum":            number(1, 65535, func(c *broker.Config, v int) { c.ReceiveMaximum = v }),
	"retain_available":           boolean(func(c *broker.Config, v bool) { c.DisableRetain = !v }),
	"shared_subscriptions":       boolean(func(c *broker.Config, v bool) { c.DisableShared = !v }),
	"topic_alias_maximum":        number(0, 65535, topicAliasMaximum),
}

func number(lo, hi int, set func(*broker.Config, int)) setting {
	return func(c *broker.Config, value string) error {
		v, err := strconv.Atoi(value)
		if err != nil || v < lo || v > hi {
			return fmt.Errorf("a whole number from %d to %d", lo, hi)
		}
		set(c, v)
		return nil
	}
}

func boolean(set func(*broker.Config, bool)) setting {
	return func(c *broker.Config, value string) error {
		if value != "true" && value != "false" {
			return errors.New("true or false")
		}
		set(c, value == "true")
		return nil
	}
}

func seconds(v int) time.Duration { return time.Duration(v) * time.Second }

func denySubscribe(c *broker.Config, value string) error {
	if value == "" {
		return errors.New("a topic filter")
	}
	c.DenySubscribe = append(c.DenySubscribe, value)
	return nil
}

// maxSessionExpiry takes MQTT's number for "never", which Config spells differently.
func maxSessionExpiry(c *broker.Config, value string) error {
	v, err := strconv.ParseUint(value, 10, 32)
	switch {
	case err != nil || v == 0:
		return fmt.Errorf("a whole number from 1 to %d (never)", uint32(math.MaxUint32))
	case v == math.MaxUint32:
		c.MaxSessionExpiry = -1
	default:
		c.MaxSessionExpiry = time.Duration(v) * time.Second
	}
	return nil
}

func maximumQoS(c *broker.Config, v int) {
	c.MaxQoS = []broker.QoSLimit{broker.OnlyQoS0, broker.UpToQoS1, broker.UpToQoS2}[v]
}

func topicAliasMaximum(c *broker.Config, v int) {
	c.TopicAliasMaximum = v
	if v == 0 {
		c.TopicAliasMaximum = -1
	}
}

// awsLimits is the documented limits and refusals of AWS IoT Core.
func awsLimits(c *broker.Config, on bool) {
	if !on {
		return
	}
	c.CloseOnDenied = true
	c.DisableSubscriptionIDs = true
	c.MaxClientIDBytes = 128
	c.MaxFiltersPerSubscribe = 8
	c.MaxInFlight = 100
	c.MaxKeepAlive = 1200 * time.Second
	c.MaxPayloadBytes = 128 << 10
	c.MaxPacketSize = 144 << 10 // the payload, the topic and properties
	c.MaxQoS = broker.UpToQoS1
	c.MaxSessionExpiry = time.Hour
	c.MaxSubscriptions = 50
	c.MaxTopicBytes = 256
	c.MaxTopicLevels = 8
	c.ReceiveMaximum = 100
	c.TopicAliasMaximum = 8
}
