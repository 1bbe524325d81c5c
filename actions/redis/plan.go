package redis

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/thinghub/thinghub/actions"
)

// A plan is an action that is ready to be rendered: the commands of an event.
type plan struct {
	params   []actions.Param
	commands [][]word
	key      int  // which word of the first command Resource shows
	chosen   bool // the event chooses the key
}

// A word is one word of a command, or several.
type word struct {
	kind  wordKind
	text  string // wordFixed; wordPair: the field's name
	param int    // wordParam, wordOr, wordPair
	field *word  // wordPair: the value
}

type wordKind uint8

const (
	wordFixed   wordKind = iota
	wordParam            // a rendered text
	wordOr               // a rendered text, or the fixed one if that is empty
	wordPayload          // the outgoing payload
	wordPair             // a field and its value, unless that is empty
	wordMembers          // the members of the payload and their values
)

// compile makes the plan of an action. The error says what is wrong with it.
func (a *Action) compile() (*plan, error) {
	p := &plan{key: 1}
	var forms []string
	form := func(is bool, name string, build func() error) (err error) {
		if is {
			if forms = append(forms, name); len(forms) == 1 {
				err = build()
			}
		}
		return err
	}
	err := cmp.Or(
		form(len(a.Command) > 0, "command", func() error { return p.command(a) }),
		form(a.Stream != nil, "stream", func() error { return p.stream(a.Stream) }),
		form(a.Publish != nil, "publish", func() error { return p.publish(a.Publish) }),
		form(a.Set != nil, "set", func() error { return p.set(a.Set) }),
		form(a.HSet != nil, "hset", func() error { return p.hset(a.HSet) }),
		form(a.LPush != nil, "lpush", func() error { return p.lpush(a.LPush) }),
	)
	switch {
	case len(forms) == 0:
		return nil, actions.WrongField("command", "", "one of command, stream, publish, set, hset and lpush")
	case len(forms) > 1:
		return nil, &actions.FieldError{Field: forms[1], Value: "there besides " + forms[0], Want: "one of the two"}
	case err == nil:
		err = number("onceSeconds", a.OnceSeconds)
	}
	if err != nil {
		return nil, err
	}
	key := p.commands[0][min(1, len(p.commands[0])-1)]
	p.chosen = key.kind != wordFixed
	return p, nil
}

func number(field string, n int) error {
	if n < 0 || n > math.MaxInt32 {
		return &actions.FieldError{Field: field, Value: strconv.Itoa(n), Want: fmt.Sprintf("a whole number from 1 to %d", math.MaxInt32)}
	}
	return nil
}

// text makes the word of a text.
func (p *plan) text(name, text string, optional bool) word {
	switch {
	case text == Payload:
		return word{kind: wordPayload}
	case !strings.Contains(text, "${"):
		return word{kind: wordFixed, text: text}
	}
	p.params = append(p.params, actions.Param{Name: name, Text: text, Optional: optional})
	return word{kind: wordParam, param: len(p.params) - 1}
}

// or is text with a default.
func (p *plan) or(name, text, otherwise string) word {
	if text == "" {
		text = otherwise
	}
	return p.text(name, text, false)
}

func fixed(texts ...string) (words []word) {
	for _, t := range texts {
		words = append(words, word{kind: wordFixed, text: t})
	}
	return words
}

// keyed makes the first words of a command. A key is needed.
func (p *plan) keyed(command, field, key string) ([]word, error) {
	if key == "" {
		return nil, actions.WrongField(field, "", "a text")
	}
	return append(fixed(command), p.text(field, key, false)), nil
}

func (p *plan) command(a *Action) error {
	name := a.Command[0]
	upper := strings.ToUpper(name)
	switch {
	case strings.Contains(name, "${") || name == Payload:
		return actions.WrongField("command[0]", name, "the name of a command, without templates")
	case never[upper] != "":
		return actions.WrongField("command[0]", name, "a command other than one that "+never[upper])
	case a.client != nil && !a.client.allow[upper]:
		return actions.WrongField("command[0]", name, "a command that the hub allows")
	case len(a.Command) > maxWords:
		return &actions.FieldError{Field: "command", Value: fmt.Sprintf("an array of %d", len(a.Command)), Want: fmt.Sprintf("1 to %d items", maxWords)}
	}
	words := fixed(name)
	for i, text := range a.Command[1:] {
		words = append(words, p.text(fmt.Sprintf("command[%d]", i+1), text, false))
	}
	if len(words) > 1 && words[1].kind == wordFixed && words[1].text == "" {
		return actions.WrongField("command[1]", "", "a text")
	}
	p.commands = [][]word{words}
	return nil
}

func (p *plan) stream(s *Stream) error {
	words, err := p.keyed("XADD", "stream.key", s.Key)
	if err != nil {
		return err
	}
	if err := number("stream.maxLen", s.MaxLen); err != nil {
		return err
	}
	if s.Exact && s.MaxLen == 0 {
		return actions.WrongField("stream.maxLen", "", "a number, because exact is true")
	}
	if s.MaxLen > 0 {
		about := "~"
		if s.Exact {
			about = "="
		}
		words = append(words, fixed("MAXLEN", about, strconv.Itoa(s.MaxLen))...)
	}
	id := word{kind: wordFixed, text: "*"}
	if s.ID != "" {
		id = p.text("stream.id", s.ID, true)
		if id.kind == wordParam {
			id.kind, id.text = wordOr, "*"
		}
	}
	words = append(words, id)
	fields := s.Fields
	if len(fields) == 0 {
		fields = map[string]string{"payload": Payload}
	}
	pairs, err := p.pairs("stream.fields", fields)
	p.commands = [][]word{append(words, pairs...)}
	return err
}

// pairs makes the words of fields.
func (p *plan) pairs(name string, fields map[string]string) (words []word, err error) {
	if len(fields) > maxFields {
		return nil, &actions.FieldError{Field: name, Value: fmt.Sprintf("an object of %d", len(fields)), Want: fmt.Sprintf("1 to %d members", maxFields)}
	}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		value := p.text(name+"."+field, fields[field], true)
		words = append(words, word{kind: wordPair, text: field, field: &value})
	}
	return words, nil
}

func (p *plan) publish(c *Publish) error {
	command := "PUBLISH"
	if c.Sharded {
		command = "SPUBLISH"
	}
	words, err := p.keyed(command, "publish.channel", c.Channel)
	if err != nil {
		return err
	}
	p.commands = [][]word{append(words, p.or("publish.message", c.Message, Payload))}
	return nil
}

func (p *plan) set(s *Set) error {
	words, err := p.keyed("SET", "set.key", s.Key)
	if err != nil {
		return err
	}
	if err := number("set.expireSeconds", s.ExpireSeconds); err != nil {
		return err
	}
	words = append(words, p.or("set.value", s.Value, Payload))
	if s.ExpireSeconds > 0 {
		words = append(words, fixed("EX", strconv.Itoa(s.ExpireSeconds))...)
	}
	p.commands = [][]word{words}
	return nil
}

func (p *plan) hset(h *HSet) error {
	words, err := p.keyed("HSET", "hset.key", h.Key)
	if err != nil {
		return err
	}
	if len(h.Fields) == 0 {
		words = append(words, word{kind: wordMembers})
	} else {
		pairs, err := p.pairs("hset.fields", h.Fields)
		if err != nil {
			return err
		}
		words = append(words, pairs...)
	}
	p.commands = [][]word{words}
	return p.expire("hset", h.ExpireSeconds)
}

func (p *plan) lpush(l *LPush) error {
	words, err := p.keyed("LPUSH", "lpush.key", l.Key)
	if err != nil {
		return err
	}
	if err := number("lpush.maxLen", l.MaxLen); err != nil {
		return err
	}
	words = append(words, p.or("lpush.value", l.Value, Payload))
	p.commands = [][]word{words}
	if l.MaxLen > 0 {
		p.commands = append(p.commands, append(append(fixed("LTRIM"), words[1]), fixed("0", strconv.Itoa(l.MaxLen-1))...))
	}
	return p.expire("lpush", l.ExpireSeconds)
}

// expire lets the key of the first command expire.
func (p *plan) expire(form string, seconds int) error {
	if seconds > 0 {
		p.commands = append(p.commands, append(append(fixed("EXPIRE"), p.commands[0][1]), fixed(strconv.Itoa(seconds))...))
	}
	return number(form+".expireSeconds", seconds)
}

// script does several commands, or remembers the event, as one command. KEYS are the key
// and that of the memory; ARGV begins with how long that lasts, 0 without it, and goes on
// with the commands, each after the number of its words.
const script = `if ARGV[1] ~= '0' and not redis.call('SET', KEYS[2], '1', 'NX', 'EX', ARGV[1]) then return 0 end
local at = 2
while at <= #ARGV do
  local n = tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, at + n))
  at = at + n + 1
end
return 1`

// words returns the command for an event.
func (p *plan) words(ev actions.Event, once int) ([]any, error) {
	if len(p.commands) == 1 && once == 0 {
		return render(nil, p.commands[0], ev)
	}
	inner := make([]any, 0, 16)
	key := ""
	for _, command := range p.commands {
		at := len(inner)
		var err error
		if inner, err = render(append(inner, nil), command, ev); err != nil {
			return nil, err
		}
		inner[at] = strconv.Itoa(len(inner) - at - 1)
		if at == 0 {
			key = keyOf(inner[1:])
		}
	}
	words := append(make([]any, 0, len(inner)+6), "EVAL", script)
	if once == 0 {
		words = append(words, "1", key, "0")
	} else {
		words = append(words, "2", key, onceKey(key, ev.ID()), strconv.Itoa(once))
	}
	return append(words, inner...), nil
}

// onceKey is the key that says that an event was written to a key. It is in the same slot
// of a cluster, unless the key has a "}" that ends no tag.
func onceKey(key, id string) string { return "thinghub:once:{" + tag(key) + "}:" + id }

var errNoFields = errors.New("redis: no field has a value for this message")

// render appends the words of a command.
func render(out []any, words []word, ev actions.Event) ([]any, error) {
	pairs, some := false, false
	for i := range words {
		w := &words[i]
		switch w.kind {
		case wordPair:
			pairs = true
			if value := w.field.value(ev); w.field.kind != wordParam || value != "" {
				out, some = append(out, w.text, value), true
			}
		case wordMembers:
			var err error
			if out, err = members(out, ev.Payload); err != nil {
				return nil, err
			}
		default:
			out = append(out, w.value(ev))
		}
	}
	if pairs && !some {
		return nil, errNoFields
	}
	return out, nil
}

// value is that of a word which is one.
func (w *word) value(ev actions.Event) any {
	switch w.kind {
	case wordParam:
		return ev.Params[w.param]
	case wordOr:
		if text := ev.Params[w.param]; text != "" {
			return text
		}
	case wordPayload:
		return ev.Payload
	case wordFixed, wordPair, wordMembers:
	}
	return w.text
}

// members appends the members of a JSON object and their values.
func members(out []any, payload []byte) ([]any, error) {
	d := json.NewDecoder(bytes.NewReader(payload))
	none := len(out)
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("redis: the payload is not a JSON object, which has members to set")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("redis: the payload: %w", err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("redis: the payload: %w", err)
		}
		switch value[0] {
		case 'n':
			continue
		case '"':
			var text string
			if err := json.Unmarshal(value, &text); err != nil {
				return nil, fmt.Errorf("redis: the payload: %w", err)
			}
			out = append(out, name, text)
		default:
			out = append(out, name, []byte(value))
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("redis: the payload: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("redis: the payload: something follows the object")
	}
	if len(out) == none {
		return nil, errNoFields
	}
	return out, nil
}
