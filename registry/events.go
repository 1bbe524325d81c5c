package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// EventType is a kind of events that can be switched on and off.
type EventType string

// The kinds of events. A [Service] publishes those of its own resources; the others
// are switched here for the rooms that publish them (see [Service.EventEnabled]).
const (
	EventThing                EventType = "THING"
	EventThingGroup           EventType = "THING_GROUP"
	EventThingType            EventType = "THING_TYPE"
	EventThingGroupMembership EventType = "THING_GROUP_MEMBERSHIP"
	EventThingGroupHierarchy  EventType = "THING_GROUP_HIERARCHY"
	EventThingTypeAssociation EventType = "THING_TYPE_ASSOCIATION"
	EventJob                  EventType = "JOB"
	EventJobExecution         EventType = "JOB_EXECUTION"
	EventPolicy               EventType = "POLICY"
	EventCertificate          EventType = "CERTIFICATE"
	EventCACertificate        EventType = "CA_CERTIFICATE"
)

// eventTypes are all of them, in the order of the AWS model.
var eventTypes = [...]EventType{
	EventThing, EventThingGroup, EventThingType, EventThingGroupMembership, EventThingGroupHierarchy, EventThingTypeAssociation,
	EventJob, EventJobExecution, EventPolicy, EventCertificate, EventCACertificate,
}

// EventConfigurations say which events are published.
type EventConfigurations struct {
	// Enabled has an entry for every kind.
	Enabled map[EventType]bool `json:"enabled"`
	// Created and Modified are when they were first and last updated; zero before.
	Created  time.Time `json:"created,omitzero"`
	Modified time.Time `json:"modified,omitzero"`
}

const eventsSetting = "events"

// loadEvents reads what UpdateEventConfigurations stored.
func (s *Service) loadEvents(ctx context.Context) error {
	c, _, err := s.eventConfigurations(ctx)
	if err != nil {
		return err
	}
	s.events.enable(c.Enabled)
	return nil
}

func (s *Service) eventConfigurations(ctx context.Context) (c EventConfigurations, version int64, err error) {
	set, ok, err := lookup(ctx, s.store.Settings(), "setting", eventsSetting)
	if err != nil {
		return c, 0, err
	}
	if ok {
		if err := json.Unmarshal([]byte(set.Value), &c); err != nil {
			return c, 0, fmt.Errorf("registry: setting %s is damaged: %w", eventsSetting, err)
		}
	}
	if c.Enabled == nil {
		c.Enabled = make(map[EventType]bool, len(eventTypes))
	}
	for _, t := range eventTypes {
		if !c.Enabled[t] {
			c.Enabled[t] = false
		}
	}
	return c, set.Version, nil
}

// DescribeEventConfigurations returns which events are published. Before the first
// update none is.
func (s *Service) DescribeEventConfigurations(ctx context.Context) (EventConfigurations, error) {
	c, _, err := s.eventConfigurations(ctx)
	return c, err
}

// UpdateEventConfigurations switches the kinds of events that are named on or off
// and leaves the others as they are. ErrInvalid if there is no such kind.
func (s *Service) UpdateEventConfigurations(ctx context.Context, enable map[EventType]bool) error {
	allowed := make([]string, len(eventTypes))
	for i, t := range eventTypes {
		allowed[i] = string(t)
	}
	for t := range enable {
		if err := checkEnum("eventConfigurations.member.key", string(t), allowed...); err != nil {
			return err
		}
	}
	defer s.locks.change()()
	return again(func() error {
		c, version, err := s.eventConfigurations(ctx)
		if err != nil {
			return err
		}
		for t, on := range enable {
			c.Enabled[t] = on
		}
		c.Modified = now()
		if c.Created.IsZero() {
			c.Created = c.Modified
		}
		value, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("registry: setting %s: %w", eventsSetting, err)
		}
		if err := put(ctx, s.store.Settings(), "setting", eventsSetting, Setting{Value: string(value), Version: version + 1}, version); err != nil {
			return err
		}
		s.events.enable(c.Enabled)
		return nil
	})
}

// EventEnabled reports whether events of a kind are published. It is cheap.
func (s *Service) EventEnabled(t EventType) bool { return s.events.enabled(t) }

// now is the time of records: UTC, in milliseconds, as AWS shows them.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
