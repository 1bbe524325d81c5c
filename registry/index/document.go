package index

import (
	"encoding/binary"
	"math"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Document collects the searchable fields of one part of a thing or group; see
// [Part]. The zero value is empty. A field may get several values; one that it
// gets twice counts once. Not safe for concurrent use.
type Document struct {
	text   []byte // what values point into
	values []value
	path   []byte
}

type kind uint8

const (
	text kind = iota
	number
	boolean
	word // one of the words of a text that has several, in lower case
	kinds
)

// A value is a value of a field: two pieces of the document's text.
type value struct {
	field, fieldEnd uint32
	data, end       uint32
	key             uint64 // of a number; see numberKey
	kind            kind
}

// Reset makes d empty, so that it can be used for another document.
func (d *Document) Reset() { d.text, d.values = d.text[:0], d.values[:0] }

func (d *Document) field(v *value) []byte { return d.text[v.field:v.fieldEnd] }
func (d *Document) data(v *value) []byte  { return d.text[v.data:v.end] }

// name notes the name of a field and returns a value of it.
func (d *Document) name(field []byte) value {
	at := uint32(len(d.text))
	d.text = append(d.text, field...)
	return value{field: at, fieldEnd: uint32(len(d.text))}
}

func (d *Document) add(v value, k kind, appendTo func(dst []byte) []byte) {
	v.kind, v.data = k, uint32(len(d.text))
	d.text = appendTo(d.text)
	v.end = uint32(len(d.text))
	d.values = append(d.values, v)
}

// AddString adds a text. Words are separated by blanks; each can be found. If the text
// is a number, ranges of numbers find it too.
func (d *Document) AddString(field, s string) { d.addString([]byte(field), s) }

func (d *Document) addString(field []byte, s string) {
	v := d.name(field)
	d.add(v, text, func(dst []byte) []byte { return append(dst, s...) })
	if !hasBlank(s) {
		return
	}
	for w := range wordsOf(s) {
		d.add(v, word, func(dst []byte) []byte { return appendFold(dst, w) })
	}
}

// AddNumber adds a number. NaN and infinities are not indexed.
func (d *Document) AddNumber(field string, n float64) { d.addNumber([]byte(field), n) }

func (d *Document) addNumber(field []byte, n float64) {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return
	}
	v := d.name(field)
	v.kind, v.key = number, numberKey(n)
	d.values = append(d.values, v)
}

// AddBool adds true or false.
func (d *Document) AddBool(field string, b bool) { d.addBool([]byte(field), b) }

func (d *Document) addBool(field []byte, b bool) {
	d.add(d.name(field), boolean, func(dst []byte) []byte { return strconv.AppendBool(dst, b) })
}

// maxDepth bounds how deep a JSON object is looked at.
const maxDepth = 64

// AddJSON adds the values of a JSON object, the names joined to prefix with dots:
// {"a":{"b":1}} under "shadow.reported" is shadow.reported.a.b. Null, arrays with
// objects or arrays in them and text that is not JSON are not indexed.
func (d *Document) AddJSON(prefix, raw string) {
	if gjson.Valid(raw) {
		d.path = append(d.path[:0], prefix...)
		d.addJSON(gjson.Parse(raw), maxDepth)
	}
}

func (d *Document) addJSON(v gjson.Result, depth int) {
	switch {
	case v.IsObject():
		if depth == 0 {
			return
		}
		n := len(d.path)
		v.ForEach(func(k, v gjson.Result) bool {
			d.path = append(append(d.path[:n], '.'), k.Str...)
			d.addJSON(v, depth-1)
			return true
		})
		d.path = d.path[:n]
	case v.IsArray():
		simple := true
		v.ForEach(func(_, x gjson.Result) bool {
			simple = !x.IsObject() && !x.IsArray()
			return simple
		})
		if simple {
			v.ForEach(func(_, x gjson.Result) bool {
				d.addJSON(x, depth)
				return true
			})
		}
	case v.Type == gjson.String:
		d.addString(d.path, v.Str)
	case v.Type == gjson.Number:
		d.addNumber(d.path, v.Num)
	case v.Type == gjson.True, v.Type == gjson.False:
		d.addBool(d.path, v.Type == gjson.True)
	}
}

// numberKey makes of a number one that sorts as it does.
func numberKey(n float64) uint64 {
	u := math.Float64bits(n + 0) // + 0: of minus zero
	if u>>63 != 0 {
		return ^u
	}
	return u | 1<<63
}

// keyNumber is the inverse of numberKey.
func keyNumber(key uint64) float64 {
	if key>>63 != 0 {
		return math.Float64frombits(key &^ (1 << 63))
	}
	return math.Float64frombits(^key)
}

// textKey is the beginning of a text in lower case, as a number that sorts as it does.
func textKey(s string) (key uint64) {
	var room [8 + 4]byte
	b := room[:0]
	for i := 0; i < len(s) && len(b) < 8; i++ {
		if s[i] >= utf8.RuneSelf {
			for _, r := range s[i:] {
				if b = utf8.AppendRune(b, unicode.ToLower(r)); len(b) >= 8 {
					break
				}
			}
			break
		}
		b = append(b, lowerByte(s[i]))
	}
	return binary.BigEndian.Uint64(room[:8])
}

// showNumber writes a number as JSON would.
func showNumber(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
