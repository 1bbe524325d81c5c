package aws

import (
	"bytes"
	"encoding/json"

	"github.com/thinghub/thinghub/actions"
)

// A member is one of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// objectMembers returns the members of a JSON object in their order. Of those with one
// name the last one counts, where the first one stands.
func objectMembers(data []byte) ([]member, error) {
	const want = "a JSON object"
	d := json.NewDecoder(bytes.NewReader(data))
	if start, err := d.Token(); err != nil || start != json.Delim('{') || !json.Valid(data) {
		return nil, actions.WrongField("the payload", string(data), want)
	}
	var (
		members []member
		places  = map[string]int{}
	)
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		key := name.(string) // a member's name is a string
		if at, twice := places[key]; twice {
			members[at].value = value
			continue
		}
		places[key] = len(members)
		members = append(members, member{key, value})
	}
	return members, nil
}
