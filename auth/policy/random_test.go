package policy_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth/policy"
)

// A maker makes documents, facts and questions that have much to do with each other,
// so that most of them are not just denied.
type maker struct{ *rand.Rand }

func newMaker(seed uint64) maker { return maker{rand.New(rand.NewPCG(seed, 42))} }

func pick[T any](m maker, list ...T) T { return list[m.IntN(len(list))] }

func (m maker) odds(n int) bool { return m.IntN(n) == 0 }

// some is between one and n items, as a list or alone.
func (m maker) some(n int, item func() any) any {
	if m.odds(2) {
		return item()
	}
	list := make([]any, 1+m.IntN(n))
	for i := range list {
		list[i] = item()
	}
	return list
}

func (m maker) variable() string {
	return pick(m, "${iot:ClientId}", "${iot:clientid}", "${iot:Connection.Thing.ThingName}", "${iot:Connection.Thing.Attributes[a]}",
		"${iot:Connection.Thing.Attributes[A]}", "${iot:Certificate.Subject.CommonName}", "${iot:Certificate.Subject.CommonName.1}",
		"${x:tag}", "${X:Tag}", "${x:none}", "${*}", "${?}", "${$}", "${iot:Connection.Thing.ThingTypeName}",
		"${x:none, 'b'}", "${x:none, '*'}", "${X:TAG, 'b'}", "${x:many,'a'}", "${iot:ClientId, ''}", "${iot:Certificate.Subject.CommonName, '+a'}",
		"${iot:Connection.Thing.Attributes[a, 'b']}", "${iot:Connection.Thing.Attributes[b], 'a'}",
		"${aws:SourceIp}", "${aws:EpochTime}", "${iot:Certificate.Subject.CommonName.List}")
}

// words are short, so that names meet patterns.
func (m maker) word() string { return pick(m, "a", "b", "ab", "a/b", "aa", "é", "", "c1", "a:b") }

func (m maker) name() string {
	s := m.word()
	for m.odds(2) {
		s += pick(m, "/", "", "*", "+", "#", "$share/g/") + m.word()
	}
	return s
}

func (m maker) pattern() string {
	s := m.word()
	for m.IntN(3) > 0 {
		s += pick(m, "/", "*", "?", "", m.variable(), "**", "*?", "$") + m.word()
	}
	return s
}

func (m maker) resource() string {
	switch m.IntN(8) {
	case 0:
		return "*"
	case 1:
		return pick(m, "arn:*", "arn:aws:iot:*:*:topic/", "arn:aws:iot:us-east-?:123456789012:topic/", "arn:aws:iot:us-east-1:*", "arn:*:topic*/", "arn:aws:iot:${x:region}:*") + m.pattern()
	}
	return testScope + pick(m, "topic/", "topic/", "topicfilter/", "client/") + m.pattern()
}

func (m maker) action() string {
	return pick(m, "iot:Publish", "iot:Publish", "iot:Subscribe", "iot:Receive", "iot:Connect", "iot:*", "*", "iot:Pub*", "IOT:PUBLISH", "iot:?ublish", "iot:GetThingShadow", "iot:RetainPublish")
}

func (m maker) condition() (op, key string, values any) {
	base := pick(m, "StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike",
		"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals",
		"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals",
		"Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike")
	op = pick(m, "", "", "ForAllValues:", "ForAnyValue:") + base + pick(m, "", "", "IfExists")
	if m.odds(10) {
		op = "Null"
	}
	key = pick(m, "iot:ClientId", "x:tag", "X:Tag", "x:none", "x:many", "x:number", "iot:Connection.Thing.Attributes[a]", "iot:ConnectAttributes",
		"iot:Certificate.Subject.CommonName.List", "iot:Certificate.Subject.CommonName", "aws:SourceIp", "aws:CurrentTime", "aws:EpochTime",
		"iot:LastWillTopic", "iot:Connection.Thing.IsAttached", "aws:SecureTransport")
	value := func() any {
		if m.odds(5) {
			return m.variable()
		}
		switch typed := strings.TrimPrefix(strings.TrimPrefix(strings.TrimSuffix(op, "IfExists"), "ForAllValues:"), "ForAnyValue:"); {
		case strings.HasPrefix(typed, "Numeric"):
			return pick[any](m, 5, 5.5, json.Number("1e3"), "-0.50", "007", 1700000000)
		case strings.HasPrefix(typed, "Date"):
			return pick[any](m, 5, "1700000000", "1700000000.5", "2023-11-14T22:13:20Z", "2023-11-14t22:13z", "2023-11-15", "2023-12", "2030-01-01T00:00:00+01:00")
		case typed == "Bool" || typed == "Null":
			return pick[any](m, "true", "FALSE", true, false)
		case strings.HasSuffix(typed, "IpAddress"):
			return pick[any](m, "192.0.2.0/24", "192.0.2.10", "::ffff:192.0.2.0/120", "2001:db8::/32")
		case typed == "BinaryEquals":
			return pick[any](m, "YQ==", "")
		}
		return pick[any](m, m.word(), m.pattern(), m.variable(), "PersistentConnect", "LastWill", "true", "false", true, 5, 5.5, json.Number("1e3"),
			"192.0.2.0/24", "192.0.2.10", "::ffff:192.0.2.0/120", "2001:db8::/32", "1700000000", "1700000000.5", "2023-11-14T22:13:20Z", "2030-01-01T00:00:00+01:00",
			testScope+"topic/"+m.pattern(), "arn:aws:iot:*:*:topic/*", "YQ==", "a*", "-0.50", "007")
	}
	values = m.some(3, value)
	if m.odds(10) {
		values = []any{}
	}
	return op, key, values
}

func (m maker) statement() map[string]any {
	st := map[string]any{"Effect": pick(m, "Allow", "Allow", "Deny")}
	st[pick(m, "Action", "Action", "Action", "NotAction")] = m.some(3, func() any { return m.action() })
	st[pick(m, "Resource", "Resource", "Resource", "NotResource")] = m.some(3, func() any { return m.resource() })
	if m.odds(3) {
		conditions := map[string]any{}
		for range 1 + m.IntN(2) {
			op, key, values := m.condition()
			conditions[op] = map[string]any{key: values}
		}
		st["Condition"] = conditions
	}
	return st
}

// document is a document that can be read: a variable in one of the old version need not
// be a value.
func (m maker) document() string {
	for {
		text := m.anyDocument()
		if _, err := policy.Parse([]byte(text)); err == nil {
			return text
		}
	}
}

func (m maker) anyDocument() string {
	doc := map[string]any{"Statement": m.some(6, func() any { return m.statement() })}
	if !m.odds(6) {
		doc["Version"] = pick(m, "2012-10-17", "2012-10-17", "2012-10-17", "2008-10-17")
	}
	text, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (m maker) facts() *policy.Facts {
	now := time.Unix(1700000000+int64(m.IntN(3)-1), int64(m.IntN(2))*5e8)
	f := &policy.Facts{
		ClientID: m.name(), HTTP: m.odds(5), Secure: m.odds(2),
		Thing: policy.Thing{Type: pick(m, "", "a"), Attached: !m.odds(4), Attributes: map[string]string{"a": m.name()}},
		Extra: map[string][]string{
			"x:Tag": {m.name()}, "x:many": {m.word(), m.word()}, "x:region": {pick(m, "us-east-1", "*", "us")},
			"x:number": {pick(m, "5", "5.0", "1000", "-0.5", "a", "")},
		},
		Now: func() time.Time { return now },
	}
	if !m.odds(4) {
		f.Thing.Name = f.ClientID
	}
	if m.odds(2) {
		f.Certificate = map[string][]string{"Subject.CommonName": []string{m.name(), m.word()}[:m.IntN(3)]}
	}
	if !m.odds(4) {
		f.SourceIP = netip.MustParseAddr(pick(m, "192.0.2.10", "::ffff:192.0.2.4", "2001:db8::1", "203.0.113.9"))
	}
	f.ConnectAttributes = pick[[]string](m, nil, []string{policy.PersistentConnect}, []string{policy.LastWill}, []string{policy.PersistentConnect, policy.LastWill})
	if m.odds(2) {
		f.LastWillTopic = testScope + "topic/" + m.name()
	}
	return f
}

// question is an action and a resource. Half of the questions are made of the client
// id.
func (m maker) question(f *policy.Facts) (action, resource string) {
	name := m.name()
	if m.odds(2) {
		name = strings.ReplaceAll(pick(m, "%", "a/%", "%/b", "a%"), "%", f.ClientID)
	}
	switch m.IntN(7) {
	case 0:
		return "iot:Connect", testScope + "client/" + name
	case 1:
		return "iot:Subscribe", testScope + "topicfilter/" + pick(m, "", "", "$share/g/") + name
	case 2:
		return pick(m, "iot:GetThingShadow", "iot:ListThings"), pick(m, testScope+"thing/"+name, "*")
	case 3:
		return m.action(), fmt.Sprintf("arn:aws:iot:%s:123456789012:%s%s", pick(m, "us-east-1", "us-east-2"), pick(m, "topic/", "topicfilter/", "client/", ""), name)
	}
	return pick(m, "iot:Publish", "iot:Publish", "iot:publish", "iot:Receive", "iot:RetainPublish"), testScope + "topic/" + name
}

// documentOf is a document of the new version with one statement.
func documentOf(statement map[string]any) string {
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statement})
	if err != nil {
		panic(err)
	}
	return string(text)
}
