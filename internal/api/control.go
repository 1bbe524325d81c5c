package api

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/thinghub/thinghub/registry"
)

// rooms are the parts of the control plane. One whose room the hub does not have is not
// served.
var rooms = []struct {
	operations []operation
	there      func(c *Config) bool
}{
	{slices.Concat(thingOperations, typeOperations, groupOperations, billingOperations, principalOperations, searchOperations, metricOperations, accountOperations), func(*Config) bool { return true }},
	{slices.Concat(ruleOperations, destinationOperations), func(c *Config) bool { return c.Rules != nil }},
	{policyOperations, func(c *Config) bool { return c.Policies != nil }},
	{slices.Concat(certificateOperations, caOperations, transferOperations), func(c *Config) bool { return c.Certificates != nil }},
	{aliasOperations, func(c *Config) bool { return c.Roles != nil }},
	{authorizerOperations, func(c *Config) bool { return c.Authorizers != nil }},
	{provisioningOperations, func(c *Config) bool { return c.Provisioning != nil }},
}

// controlOperations are the control plane of a hub, as far as ours goes beyond AWS too.
func controlOperations(c *Config) (all []operation) {
	for _, r := range rooms {
		if r.there(c) {
			all = append(all, r.operations...)
		}
	}
	if c.Rules != nil {
		all = append(all, ownOperations...)
	}
	return all
}

// empty answers an operation that has nothing to say.
func (c *call) empty() error { return c.answer.json(struct{}{}) }

// seconds is a time as the control plane has it: seconds, with a fraction. The zero time
// is none.
func seconds(t time.Time) *json.Number {
	if t.IsZero() {
		return nil
	}
	return epoch(t)
}

func epoch(t time.Time) *json.Number {
	n := json.Number(strings.TrimRight(strings.TrimRight(strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64), "0"), "."))
	return &n
}

type tag struct{ Key, Value string }

func tagMap(tags []tag) (map[string]string, error) {
	if tags == nil {
		return nil, nil
	}
	m := map[string]string{}
	for _, t := range tags {
		if _, twice := m[t.Key]; twice {
			return nil, invalid("tags", t.Key, "each key once")
		}
		m[t.Key] = t.Value
	}
	return m, nil
}

// newTags checks the tags of what another room than the registry is to make.
func (c *call) newTags(list []tag) (map[string]string, error) {
	tags, err := tagMap(list)
	if err != nil {
		return nil, err
	}
	return tags, c.cfg.Registry.CheckNewTags(tags)
}

// tagNew gives what was just made its tags, and none that something of its name has left.
// If that fails undo unmakes it, also for somebody who has gone away.
func (c *call) tagNew(arn string, tags map[string]string, undo func(ctx context.Context) error) error {
	ctx := c.r.Context()
	err := c.cfg.Registry.ForgetTags(ctx, arn)
	if err == nil && len(tags) > 0 {
		err = c.cfg.Registry.TagResource(ctx, arn, tags)
	}
	if err != nil {
		return errors.Join(err, undo(context.WithoutCancel(ctx)))
	}
	return nil
}

type attributePayload struct {
	Attributes map[string]string `json:"attributes,omitempty"`
	Merge      bool              `json:"merge,omitempty"`
}

type groupRef struct {
	Name string `json:"groupName"`
	ARN  string `json:"groupArn"`
}

func groupRefs(refs []registry.GroupRef) []groupRef {
	out := make([]groupRef, len(refs))
	for i, r := range refs {
		out[i] = groupRef(r)
	}
	return out
}

// some returns a list that is [] and not null.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
