package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/thinghub/thinghub/registry"
)

// controlOperations are the control plane.
var controlOperations = slices.Concat(thingOperations, typeOperations, groupOperations, billingOperations, principalOperations, searchOperations, accountOperations)

// input reads the body of a request, an empty one like {}. Members that are not known
// are ignored.
func input[T any](c *call) (in T, err error) {
	body, err := c.read(c.cfg.MaxBody)
	if f, ok := errors.AsType[failure](err); ok {
		f.kind = "InvalidRequestException"
		return in, f
	}
	if len(body) == 0 {
		return in, err
	}
	if err := json.Unmarshal(body, &in); err != nil {
		what := "the body is not JSON: " + err.Error()
		if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			what = fmt.Sprintf("%s is a %s, expected %s", t.Field, t.Value, wireName(t.Type.Kind().String()))
		} else if errors.Is(err, io.ErrUnexpectedEOF) {
			what = "the body ends early"
		}
		return in, failure{status: http.StatusBadRequest, kind: "InvalidRequestException", message: what}
	}
	return in, nil
}

// wireName is what callers call a kind of Go's.
func wireName(kind string) string {
	switch kind {
	case "struct", "map":
		return "an object"
	case "slice":
		return "an array"
	case "string", "bool":
		return "a " + kind
	default:
		return "a number"
	}
}

// required refuses a member that is missing.
func required(member, value string) error {
	if value == "" {
		return failure{status: http.StatusBadRequest, kind: "InvalidRequestException", message: member + " is missing"}
	}
	return nil
}

// page reads maxResults and nextToken from the query.
func (c *call) page(most int) (registry.Page, error) {
	n, err := c.queryInt("maxResults", 0, 1, most)
	return registry.Page{Max: n, Token: c.r.URL.Query().Get("nextToken")}, err
}

// queryVersion reads expectedVersion from the query.
func (c *call) queryVersion() (*int64, error) {
	v := c.r.URL.Query().Get("expectedVersion")
	if v == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return nil, invalid("expectedVersion", v, "a number")
	}
	return &n, nil
}

// empty answers an operation that has nothing to say.
func (c *call) empty() error { return c.answer.json(struct{}{}) }

// seconds is a time as the control plane has it: seconds, with a fraction.
func seconds(t time.Time) *json.Number {
	if t.IsZero() {
		return nil
	}
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
