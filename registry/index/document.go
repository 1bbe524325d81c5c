package index

import (
	"math"
	"strconv"

	"github.com/tidwall/gjson"
)

// Document holds the searchable fields of one thing or group. The zero value is an
// empty document. A field may get several values.
type Document struct{ values []value }

type kind uint8

const (
	text kind = iota
	number
	boolean
)

type value struct {
	field  string
	text   string // in lower case; of numbers and booleans as JSON has them
	number float64
	kind   kind
	shown  string // as it was given
}

// AddString adds a text. Words are separated by white space; each can be found.
func (d *Document) AddString(field, s string) {
	d.values = append(d.values, value{field: field, text: fold(s), kind: text, shown: s})
}

// AddNumber adds a number. NaN and infinities are not indexed.
func (d *Document) AddNumber(field string, n float64) {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return
	}
	s := strconv.FormatFloat(n, 'f', -1, 64)
	d.values = append(d.values, value{field: field, text: s, number: n, kind: number, shown: s})
}

// AddBool adds true or false.
func (d *Document) AddBool(field string, b bool) {
	s := strconv.FormatBool(b)
	d.values = append(d.values, value{field: field, text: s, kind: boolean, shown: s})
}

// maxDepth bounds how deep a JSON object is looked at.
const maxDepth = 64

// AddJSON adds the values of a JSON object, the names joined to prefix with dots:
// {"a":{"b":1}} under "shadow.reported" is shadow.reported.a.b. Null, arrays with
// objects or arrays in them and text that is not JSON are not indexed.
func (d *Document) AddJSON(prefix string, raw []byte) {
	if gjson.ValidBytes(raw) {
		d.addJSON(prefix, gjson.ParseBytes(raw), maxDepth)
	}
}

func (d *Document) addJSON(field string, v gjson.Result, depth int) {
	switch {
	case v.IsObject():
		if depth == 0 {
			return
		}
		v.ForEach(func(k, v gjson.Result) bool {
			d.addJSON(field+"."+k.String(), v, depth-1)
			return true
		})
	case v.IsArray():
		list := v.Array()
		for _, x := range list {
			if x.IsObject() || x.IsArray() {
				return
			}
		}
		for _, x := range list {
			d.addJSON(field, x, depth)
		}
	case v.Type == gjson.String:
		d.AddString(field, v.Str)
	case v.Type == gjson.Number:
		d.AddNumber(field, v.Num)
	case v.Type == gjson.True, v.Type == gjson.False:
		d.AddBool(field, v.Bool())
	}
}
