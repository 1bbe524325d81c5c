package userpool

import (
	"slices"
	"strconv"
	"time"
)

// A Time is written as JSON has it in the AWS model: seconds since 1970.
type Time struct{ time.Time }

// MarshalJSON returns seconds with three decimals.
func (t Time) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(t.UnixMilli())/1000, 'f', 3, 64), nil
}

// UnmarshalJSON reads seconds.
func (t *Time) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return err
	}
	t.Time = time.UnixMilli(int64(f * 1000)).UTC()
	return nil
}

// An Attribute is a fact about a user, such as "email" or "custom:plant".
type Attribute struct{ Name, Value string }

// attributes turns a list into a map. A name that is there twice is refused.
func attributes(field string, list []Attribute) (map[string]string, error) {
	m := make(map[string]string, len(list))
	for _, a := range list {
		if _, twice := m[a.Name]; twice {
			return nil, invalid(field, a.Name, "each attribute once")
		}
		m[a.Name] = a.Value
	}
	return m, nil
}

// listed turns a map into a list: sub first, then by name. Only those that keep accepts.
func listed(m map[string]string, sub string, keep func(name string) bool) []Attribute {
	list := make([]Attribute, 0, len(m)+1)
	for name, value := range m {
		if keep == nil || keep(name) {
			list = append(list, Attribute{name, value})
		}
	}
	slices.SortFunc(list, func(a, b Attribute) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	if keep == nil || keep("sub") {
		list = slices.Insert(list, 0, Attribute{"sub", sub})
	}
	return list
}

// A CodeDelivery says where a code went; the destination is masked.
type CodeDelivery struct {
	AttributeName  string `json:",omitempty"`
	DeliveryMedium string `json:",omitempty"` // "EMAIL" or "SMS"
	Destination    string `json:",omitempty"`
}

// Empty is the answer of operations that have nothing to say.
type Empty struct{}
