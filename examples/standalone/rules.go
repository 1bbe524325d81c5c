package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/thinghub/thinghub/rules"
)

// rule is an entry of the file's rules: a name and a topicRulePayload of AWS.
type rule struct {
	name    string
	payload json.RawMessage
}

func (f *file) addRule(field string, value json.RawMessage) error {
	var r rule
	payload := map[string]json.RawMessage{}
	err := members(value, func(name string, v json.RawMessage) (err error) {
		switch name {
		case "name":
			r.name, err = text(field+".name", v)
		case "sqlVersion": // what the file calls it
			payload["awsIotSqlVersion"] = v
		case "ruleName", "createdAt": // of a rule as get-topic-rule shows it
			if name == "ruleName" && r.name == "" {
				r.name, err = text(field+".ruleName", v)
			}
		default:
			payload[name] = v
		}
		return err
	})
	if err == nil && r.name == "" {
		err = fmt.Errorf("%s has no name", field)
	}
	if err != nil {
		return err
	}
	r.payload, err = json.Marshal(payload)
	f.rules = append(f.rules, r)
	return err
}

// putRules puts the file's rules. What is there already stays as it is.
func (f *file) putRules(ctx context.Context, s *rules.Service) error {
	for i, r := range f.rules {
		decoded, err := s.DecodeRule(r.name, r.payload)
		if err == nil {
			err = s.Create(ctx, decoded)
		}
		if err != nil && !errors.Is(err, rules.ErrExists) {
			return fmt.Errorf("rules[%d] (%s): %w", i, r.name, err)
		}
	}
	return nil
}
