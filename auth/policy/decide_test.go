package policy_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/policy"
)

func TestMethodsAndDecideAgree(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3_000) {
		m := newMaker(seed)
		b := compile(t, m.document()).Bind(m.facts())
		name := m.name()
		for resource, d := range map[string]policy.Decision{
			"iot:Connect client/":        b.Connect(name),
			"iot:Publish topic/":         b.Publish(name),
			"iot:Receive topic/":         b.Receive(name),
			"iot:Subscribe topicfilter/": b.Subscribe(name),
		} {
			action, kind, _ := strings.Cut(resource, " ")
			require.Equal(t, b.Decide(action, testScope+kind+name), d, "%d %s%s", seed, resource, name)
		}
		both := b.Publish(name).Allowed() && b.Decide(policy.ActionRetainPublish, testScope+"topic/"+name).Allowed()
		require.Equal(t, both, b.PublishRetained(name).Allowed())
	}
}

func TestNilAndEmptyDeny(t *testing.T) {
	t.Parallel()
	empty, err := policy.Compile(testScope)
	require.NoError(t, err)
	var none *policy.Program
	var nobody *policy.Bound
	for about, b := range map[string]*policy.Bound{
		"nil": nobody, "empty": empty.Bind(nil), "of a nil program": none.Bind(&policy.Facts{}), "zero": {},
		"and nothing": policy.And(), "and nil": policy.And(nil), "identity of nothing": policy.AndIdentity(nil, nil),
	} {
		for _, d := range []policy.Decision{
			b.Connect("a"), b.Publish("a"), b.PublishRetained("a"), b.Receive("a"), b.Subscribe("a"), b.Decide("iot:Publish", "*"), b.Decide("", ""),
		} {
			require.Equal(t, policy.Decision{}, d, about)
		}
		e := b.Explain("iot:Publish", testScope+"topic/a")
		require.Contains(t, e.Reason(), "no statement allows iot:Publish", about)
		require.Contains(t, e.Reason(), "there is no policy", about)
	}
}

// One more Deny never allows anything, one more Allow never denies.
func TestStatementsOnlyAddTheirEffect(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3_000) {
		m := newMaker(seed)
		doc, f := m.document(), m.facts()
		more := m.statement()
		action, resource := m.question(f)
		before := compile(t, doc).Bind(f).Decide(action, resource)
		after := compile(t, doc, documentOf(more)).Bind(f).Decide(action, resource)
		if more["Effect"] == "Deny" {
			require.False(t, after.Allowed() && !before.Allowed(), "%d %s %s\n%s\n%v", seed, action, resource, doc, more)
		} else {
			require.False(t, before.Allowed() && !after.Allowed(), "%d %s %s\n%s\n%v", seed, action, resource, doc, more)
			require.Equal(t, before.Outcome == policy.ExplicitDeny, after.Outcome == policy.ExplicitDeny)
		}
	}
}

// The order of statements and of documents does not matter, and neither does how
// statements are spread over documents.
func TestOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3_000) {
		m := newMaker(seed)
		var docs []string
		for range 1 + m.IntN(8) {
			docs = append(docs, documentOf(m.statement()))
		}
		f := m.facts()
		action, resource := m.question(f)
		want := compile(t, docs...).Bind(f).Decide(action, resource).Outcome
		m.Shuffle(len(docs), func(i, j int) { docs[i], docs[j] = docs[j], docs[i] })
		require.Equal(t, want, compile(t, docs...).Bind(f).Decide(action, resource).Outcome, "%d %s %s\n%s", seed, action, resource, docs)
	}
}

// What a client calls itself is never a wildcard, wherever it is put in.
func TestSubstitutedTextIsLiteral(t *testing.T) {
	t.Parallel()
	p := program(
		t,
		statement("Allow", "iot:Publish", "topic/dt/${iot:ClientId}/x"),
		`{"Effect": "Allow", "Action": "iot:Receive", "Resource": "*", "Condition": {"StringLike": {"x:tag": "dt/${iot:ClientId}/x"}}}`,
		`{"Effect": "Allow", "Action": "iot:Subscribe", "Resource": "*", "Condition": {"ArnLike": {"x:arn": "arn:aws:iot:${iot:ClientId}:1:topic/x"}}}`,
	)
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		var b strings.Builder
		for range r.IntN(5) {
			b.WriteString([]string{"*", "?", "a", "b", "/", "${iot:ClientId}", "$", "{", "}", "é", ":", "\xff", "\xfe"}[r.IntN(13)])
		}
		return b.String()
	}
	for range 20_000 {
		client, asked := text(), text()
		b := p.Bind(&policy.Facts{ClientID: client, Extra: map[string][]string{
			"x:tag": {"dt/" + asked + "/x"}, "x:arn": {"arn:aws:iot:" + asked + ":1:topic/x"},
		}})
		same := client == asked && utf8.ValidString(client)
		require.Equal(t, same, b.Publish("dt/"+asked+"/x").Allowed(), "%q asks for %q", client, asked)
		require.Equal(t, same, b.Receive("a").Allowed(), "%q asks for %q", client, asked)
		require.Equal(t, same && !strings.Contains(client, ":"), b.Subscribe("a").Allowed(), "%q asks for %q", client, asked)
	}
}

// Conditions on the time are looked at when a decision is made, in all three ways.
func TestTimeMoves(t *testing.T) {
	t.Parallel()
	p := program(
		t,
		`{"Effect": "Allow", "Action": "iot:Publish", "Resource": "*", "Condition": {
			"DateGreaterThanEquals": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}, "NumericLessThan": {"aws:EpochTime": 1893456010}}}`,
		`{"Effect": "Allow", "Action": "iot:Receive", "Resource": "*", "Condition": {"StringLike": {"aws:CurrentTime": "2030-01-01T00:00:0*"}}}`,
		statement("Allow", "iot:Connect", "client/${aws:EpochTime}"),
		`{"Effect": "Allow", "Action": "iot:Subscribe", "Resource": "*", "Condition": {
			"DateEquals": {"aws:CurrentTime": ["${x:never}", "1893456000", "1893456009.0"]}, "Null": {"aws:EpochTime": "false"}}}`,
		`{"Effect": "Allow", "Action": "iot:RetainPublish", "Resource": "*", "Condition": {"DateNotEquals": {"aws:EpochTime": ["1893456000", "${x:never}"]}}}`,
	)
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	b := p.Bind(&policy.Facts{Extra: map[string][]string{"x:never": {"never"}}, Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	at := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).Add(d)
	}
	for _, c := range []struct {
		after                               time.Duration
		publish, receive, subscribe, retain bool
	}{
		{-time.Nanosecond, false, false, false, true},
		{0, true, true, true, false},
		{time.Second / 2, true, true, true, false}, // aws:CurrentTime has whole seconds
		{time.Second, true, true, false, true},
		{9 * time.Second, true, true, true, true},
		{10 * time.Second, false, false, false, true},
	} {
		at(c.after)
		require.Equal(t, c.publish, b.Publish("a").Allowed(), c.after)
		require.Equal(t, c.receive, b.Receive("a").Allowed(), c.after)
		require.Equal(t, c.subscribe, b.Subscribe("a").Allowed(), c.after)
		require.Equal(t, c.retain, b.Decide(policy.ActionRetainPublish, testScope+"topic/a").Allowed(), c.after)
		require.True(t, b.Connect(fmt.Sprint(now.Unix())).Allowed(), c.after)
		require.False(t, b.Connect(fmt.Sprint(now.Unix()-1)).Allowed(), c.after)
	}
	// Without a clock of the host it is the real one.
	require.True(t, program(t, `{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01"}}}`).
		Bind(nil).Publish("a").Allowed())
}

// Hostile patterns take about as many steps as the name has bytes. A matcher that
// tries all ways would not come back. Neither end gives away that they do not match.
func TestHostilePatterns(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{
		strings.Repeat("a*", 700), strings.Repeat("*a", 700), strings.Repeat("a*aa", 500) + "*", "*" + strings.Repeat("?a", 500) + "?",
		strings.Repeat("*?", 700), strings.Repeat("*", 2000), strings.Repeat("?", 1999) + "*", "*" + strings.Repeat("a", 1000),
	} {
		long, short := strings.Repeat("a", 65_535-4), strings.Repeat("a", 10_000)
		for end, allowed := range map[string]bool{"b*": false, "b*a": false, "*a": true, "*": true} {
			p := pattern + end
			b := program(t, statement("Allow", "iot:Publish", "topic/"+p)).Bind(nil)
			require.Equal(t, allowed, b.Publish(long).Allowed(), p)
			c := program(t, `{"Effect": "Allow", "Action": "iot:`+p+`", "Resource": "*", "Condition": {"StringLike": {"x:y": "`+p+`"}}}`).
				Bind(&policy.Facts{Extra: map[string][]string{"x:y": {short}}})
			require.Equal(t, allowed, c.Decide("iot:"+short, "*").Allowed(), p)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	p := program(t, withVariables(20)...)
	b := p.Bind(pumpFacts())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				require.True(t, b.Publish("dt/pump-0001/kind-0").Allowed())
				require.True(t, p.Bind(pumpFacts()).Publish("dt/pump-0001/kind-0").Allowed())
				b.Explain("iot:Publish", testScope+"topic/x").Reason()
			}
		})
		wg.Go(func() {
			c := policy.NewCoverage()
			for range 50 {
				p.Watch(c)
				for i := range 20 {
					b.Publish(fmt.Sprintf("dt/pump-0001/kind-%d", i))
				}
				c.Matched(p.Statements()[0])
				p.Watch(nil)
			}
		})
	}
	wg.Wait()
}

// Wherever a pattern is kept, it does not count when its statement cannot apply, or when
// its variable has no value.
func TestPatternsThatDoNotCount(t *testing.T) {
	t.Parallel()
	f := pumpFacts()
	f.Extra = map[string][]string{"x:service": {"iot"}, "x:topic": {"topic"}}
	for _, resource := range []string{
		testScope + "topic/a//b", testScope + "topic/a*b", testScope + "topic/a${x:slash, '//'}b", testScope + "topic/*${x:slash, '/'}b", testScope + "topic/*${x:slash, '/'}*b",
		testScope + "topic/a?${x:slash, '/'}b", "arn:aws:${x:service}:us-east-1:123456789012:topic/a//b", testScope + "${x:topic}/a//b",
	} {
		for effect, want := range map[string]policy.Outcome{"Allow": policy.Allowed, "Deny": policy.ExplicitDeny} {
			for condition, applies := range map[string]bool{`{}`: true, `{"Bool": {"aws:SecureTransport": "true"}}`: true, `{"Bool": {"aws:SecureTransport": "false"}}`: false} {
				b := program(t, fmt.Sprintf(`{"Effect": %q, "Action": "iot:Publish", "Resource": %q, "Condition": %s}`, effect, resource, condition)).Bind(f)
				got := b.Publish("a//b").Outcome
				if applies {
					require.Equal(t, want, got, "%s %s %s", effect, resource, condition)
				} else {
					require.Equal(t, policy.ImplicitDeny, got, "%s %s %s", effect, resource, condition)
				}
			}
		}
	}
	for _, resource := range []string{"topic/a${x:none}//b", "topic/a//${x:none}b", "topic/*/${x:none}/*", "topic/*/${x:none}/b", "topic/a?${x:none}/b", "topic/*${x:none}*", "topic/a//b${x:none}"} {
		require.False(t, program(t, statement("Allow", "iot:Publish", resource)).Bind(f).Publish("a//b").Allowed(), resource)
	}
}

// Conditions that look alike are not the same in another version of the language, or with
// another operator, key or value.
func TestConditionsAreShared(t *testing.T) {
	t.Parallel()
	named := func(version, condition, topic string) policy.Named {
		doc, err := policy.Parse([]byte(`{"Version": "` + version + `", "Statement": {"Effect": "Allow", "Action": "iot:Publish", "Resource": "` + testScope + "topic/" + topic + `", "Condition": {` + condition + `}}}`))
		require.NoError(t, err)
		return policy.Named{Name: topic, Doc: doc}
	}
	var all []policy.Named
	conditions := []struct {
		version, text string
		holds         bool
	}{
		{policy.Version2012, `"StringEquals": {"x:tag": "${iot:ClientId}"}`, true},
		{policy.Version2008, `"StringEquals": {"x:tag": "${iot:ClientId}"}`, false},
		{policy.Version2012, `"StringNotEquals": {"x:tag": "${iot:ClientId}"}`, false},
		{policy.Version2012, `"ForAllValues:StringEquals": {"X:TAG": "${iot:ClientId}"}`, true},
		{policy.Version2012, `"StringEquals": {"x:other": "${iot:ClientId}"}`, false},
		{policy.Version2012, `"StringEquals": {"x:other": ["${iot:ClientId}", "o"]}`, true},
		{policy.Version2012, `"StringEquals": {"x:tag": "${iot:ClientId, 'x'}"}`, true},
		{policy.Version2012, `"StringEquals": {"x:tag": "${x:none, 'pump-0001'}"}`, true},
		{policy.Version2012, `"StringEquals": {"x:tag": "${x:none, 'pump-0002'}"}`, false},
		{policy.Version2012, `"StringEquals": {"x:empty": "${x:none}"}`, false},
		{policy.Version2012, `"StringEquals": {"x:empty": "${x:none, ''}"}`, true},
	}
	for round := range 2 {
		for i, c := range conditions {
			all = append(all, named(c.version, c.text, fmt.Sprintf("%d/%d", i, round)))
		}
	}
	p, err := policy.Compile(testScope, all...)
	require.NoError(t, err)
	b := p.Bind(&policy.Facts{ClientID: "pump-0001", Extra: map[string][]string{"x:tag": {"pump-0001"}, "x:other": {"o"}, "x:empty": {""}}})
	for round := range 2 {
		for i, c := range conditions {
			require.Equal(t, c.holds, b.Publish(fmt.Sprintf("%d/%d", i, round)).Allowed(), c.text)
		}
	}
}
