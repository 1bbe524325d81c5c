package policy_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/policy"
)

// holds reports whether a condition holds for the values of key k:k.
func holds(t *testing.T, op string, want any, have ...string) bool {
	t.Helper()
	return holdsWith(t, op, want, map[string][]string{"K:k": have})
}

// holdsWith does the same with the values of any keys.
func holdsWith(t *testing.T, op string, want any, keys map[string][]string) bool {
	t.Helper()
	value, err := json.Marshal(want)
	require.NoError(t, err)
	if raw, ok := want.(json.RawMessage); ok {
		value = raw
	}
	b := program(t, `{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"`+op+`": {"k:k": `+string(value)+`}}}`).
		Bind(&policy.Facts{Extra: keys})
	return b.Publish("a").Allowed()
}

func TestOperators(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:iot:us-east-1:1:topic/a"
	for _, c := range []struct {
		op, want, have string
		holds          bool
	}{
		{"StringEquals", "a", "a", true},
		{"StringEquals", "a", "A", false},
		{"StringEquals", "a*", "ab", false},
		{"StringEquals", "a*", "a*", true},
		{"StringEquals", "a${*}", "a*", true},
		{"StringEqualsIgnoreCase", "É", "é", true},
		{"StringEqualsIgnoreCase", "a", "b", false},
		{"StringLike", "a*?", "a", false},
		{"StringLike", "a*?", "ab", true},
		{"StringLike", "A*", "ab", false},
		{"NumericEquals", "5", "5.0", true},
		{"NumericEquals", "5e0", "0005", true},
		{"NumericEquals", "0", "-0.00", true},
		{"NumericEquals", "9007199254740993", "9007199254740992", false},
		{"NumericLessThan", "9007199254740993", "9007199254740992", true},
		{"NumericLessThan", "0.1", "0.09999999999999999999999999", true},
		{"NumericLessThan", "-1", "-1.5", true},
		{"NumericLessThan", "1e999999", "5", true},
		{"NumericLessThan", "1", "-1e999999", true},
		{"NumericGreaterThan", "1e-3", "0.0011", true},
		{"NumericGreaterThan", "120", "13e1", true},
		{"NumericLessThanEquals", "5", "5", true},
		{"NumericGreaterThanEquals", "5", "5", true},
		{"NumericGreaterThan", "5", "5", false},
		{"DateEquals", "2023-11-14T22:13:20Z", "1700000000", true},
		{"DateEquals", "2023-11-14t23:13:20.000+01:00", "2023-11-14T22:13:20z", true},
		{"DateEquals", "2023-11-14", "2023-11-14T00:00:00Z", true},
		{"DateEquals", "2023-11", "2023-11-01T00:00:00Z", true},
		{"DateEquals", "2023", "1970-01-01T00:33:43Z", true}, // no year
		{"DateEquals", "2023-11-14T22:13Z", "2023-11-14T22:13:00Z", true},
		{"DateLessThan", "1700000000.0000000001", "1700000000", true},
		{"DateGreaterThan", "-0.5", "-0.25", true},
		{"DateLessThan", "2023-11-14T22:13:20Z", "2023-11-14T22:13:19.999Z", true},
		{"Bool", "TRUE", "true", true},
		{"Bool", "true", "false", false},
		{"BinaryEquals", "YQ==", "YQ==", true},
		{"BinaryEquals", "YQ==", "Yg==", false},
		{"IpAddress", "192.0.2.7/24", "192.0.2.200", true},
		{"IpAddress", "192.0.2.0/24", "192.0.3.1", false},
		{"IpAddress", "192.0.2.1", "192.0.2.1", true},
		{"IpAddress", "0.0.0.0/0", "2001:db8::1", false},
		{"IpAddress", "::/0", "192.0.2.1", false},
		{"IpAddress", "::ffff:192.0.2.0/120", "192.0.2.1", true},
		{"IpAddress", "::ffff:192.0.2.1", "192.0.2.1", true},
		{"IpAddress", "fe80::/10", "fe80::1%eth0", true},
		{"ArnEquals", arn, arn, true},
		{"ArnLike", "arn:*:iot:*:?:topic/*", arn, true},
		{"ArnEquals", "arn:aws:iot:*:topic/a", arn, false}, // five parts
		{"ArnLike", "arn:aws:iot:*:1:topic/a", "arn:aws:iot:us:east:1:topic/a", false},
		{"ArnLike", "arn:aws:iot:us-east-1:1:*", "arn:aws:iot:us-east-1:1:a:b:c", true},
		{"ArnLike", "*", arn, false},
		{"ArnLike", "*:*:*:*:*:*", "a:b", false},
	} {
		require.Equal(t, c.holds, holds(t, c.op, c.want, c.have), "%s %q has %q", c.op, c.want, c.have)
		opposite := map[string]string{
			"StringEquals": "StringNotEquals", "StringEqualsIgnoreCase": "StringNotEqualsIgnoreCase", "StringLike": "StringNotLike",
			"NumericEquals": "NumericNotEquals", "DateEquals": "DateNotEquals", "IpAddress": "NotIpAddress",
			"ArnEquals": "ArnNotEquals", "ArnLike": "ArnNotLike",
		}[c.op]
		if opposite != "" {
			require.Equal(t, !c.holds, holds(t, opposite, c.want, c.have), "%s %q has %q", opposite, c.want, c.have)
		}
	}
}

// The tables about missing keys and sets of values.
func TestQuantifiers(t *testing.T) {
	t.Parallel()
	none, a, b, ab := []string(nil), []string{"a"}, []string{"b"}, []string{"a", "b"}
	for _, c := range []struct {
		op    string
		want  []string
		holds [4]bool // with none, a, b, ab
	}{
		{"StringEquals", a, [4]bool{false, true, false, true}},
		{"StringNotEquals", a, [4]bool{true, false, true, false}},
		{"StringEqualsIfExists", a, [4]bool{true, true, false, true}},
		{"StringNotEqualsIfExists", a, [4]bool{true, false, true, false}},
		{"ForAllValues:StringEquals", a, [4]bool{true, true, false, false}},
		{"ForAllValues:StringNotEquals", a, [4]bool{true, false, true, false}},
		{"ForAllValues:StringEquals", ab, [4]bool{true, true, true, true}},
		{"ForAllValues:StringEquals", []string{}, [4]bool{true, false, false, false}},
		{"ForAnyValue:StringEquals", a, [4]bool{false, true, false, true}},
		{"ForAnyValue:StringNotEquals", a, [4]bool{false, false, true, true}},
		{"ForAnyValue:StringNotEquals", ab, [4]bool{false, false, false, false}},
		{"ForAnyValue:StringEqualsIfExists", a, [4]bool{true, true, false, true}},
		{"ForAllValues:StringEqualsIfExists", a, [4]bool{true, true, false, false}},
		{"StringEquals", []string{}, [4]bool{false, false, false, false}},
		{"StringNotEquals", []string{}, [4]bool{true, true, true, true}},
		{"Null", []string{"true"}, [4]bool{true, false, false, false}},
		{"Null", []string{"FALSE"}, [4]bool{false, true, true, true}},
		{"Null", []string{"true", "false"}, [4]bool{true, true, true, true}},
		{"Null", []string{"${x:maybe}"}, [4]bool{false, false, false, false}},
		{"Null", []string{}, [4]bool{false, false, false, false}},
	} {
		for i, have := range [][]string{none, a, b, ab} {
			require.Equal(t, c.holds[i], holds(t, c.op, c.want, have...), "%s %q has %q", c.op, c.want, have)
		}
	}
}

// Each operator with each qualifier: what a missing key, one value and several come to.
func TestEveryOperator(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:iot:r:1:topic/"
	all := []struct {
		op, want string
		yes, no  string // values of the key for which the operator holds, and does not
		negated  bool
	}{
		{"StringEquals", "a", "a", "A", false},
		{"StringNotEquals", "a", "A", "a", true},
		{"StringEqualsIgnoreCase", "a", "A", "b", false},
		{"StringNotEqualsIgnoreCase", "a", "b", "A", true},
		{"StringLike", "a?*", "ab", "a", false},
		{"StringNotLike", "a?*", "a", "ab", true},
		{"NumericEquals", "5", "5.0", "5.1", false},
		{"NumericNotEquals", "5", "6", "5", true},
		{"NumericLessThan", "5", "4", "5", false},
		{"NumericLessThanEquals", "5", "5", "6", false},
		{"NumericGreaterThan", "5", "6", "5", false},
		{"NumericGreaterThanEquals", "5", "5", "4", false},
		{"DateEquals", "2030-01-01", "1893456000", "1893456001", false},
		{"DateNotEquals", "2030-01-01", "1893456001", "1893456000", true},
		{"DateLessThan", "2030-01-01", "2029-12-31T23:59:59Z", "1893456000", false},
		{"DateLessThanEquals", "2030-01-01", "1893456000", "1893456001", false},
		{"DateGreaterThan", "2030-01-01", "1893456001", "1893456000", false},
		{"DateGreaterThanEquals", "2030-01-01", "1893456000", "1893455999", false},
		{"Bool", "true", "TRUE", "false", false},
		{"BinaryEquals", "YQ==", "YQ==", "Yg==", false},
		{"IpAddress", "192.0.2.0/24", "192.0.2.9", "192.0.3.9", false},
		{"NotIpAddress", "192.0.2.0/24", "192.0.3.9", "192.0.2.9", true},
		{"ArnEquals", arn + "?", arn + "a", arn, false},
		{"ArnLike", arn + "*", arn + "a", "arn:aws:iot:r:2:topic/a", false},
		{"ArnNotEquals", arn + "?", arn, arn + "a", true},
		{"ArnNotLike", arn + "*", "arn:aws:iot:r:2:topic/a", arn + "a", true},
	}
	names := map[string]bool{"Null": true}
	for _, c := range all {
		names[c.op] = true
		for _, q := range []struct {
			before, after string
			missing, both bool
			empty         bool // a value, and no value in the policy
		}{
			{"", "", c.negated, !c.negated, c.negated},
			{"", "IfExists", true, !c.negated, c.negated},
			{"ForAllValues:", "", true, false, c.negated},
			{"ForAllValues:", "IfExists", true, false, c.negated},
			{"ForAnyValue:", "", false, true, c.negated},
			{"ForAnyValue:", "IfExists", true, true, c.negated},
		} {
			op := q.before + c.op + q.after
			require.Equal(t, q.missing, holds(t, op, c.want), "%s without a value", op)
			require.True(t, holds(t, op, c.want, c.yes), "%s %q", op, c.yes)
			require.False(t, holds(t, op, c.want, c.no), "%s %q", op, c.no)
			require.Equal(t, q.both, holds(t, op, c.want, c.yes, c.no), "%s both", op)
			require.Equal(t, q.both, holds(t, op, c.want, c.no, c.yes), "%s both, turned", op)
			require.Equal(t, q.empty, holds(t, op, []string{}, c.yes), "%s of nothing", op)
			require.Equal(t, q.missing, holds(t, op, []string{}), "%s of nothing and without a value", op)
			// Values of the policy are alternatives; one whose variable has no value is none.
			require.True(t, holds(t, op, []string{"${x:none}", c.want}, c.yes), op)
			require.Equal(t, c.negated, holds(t, op, "${x:none}", c.yes), op)
		}
	}
	require.Equal(t, names, policy.OperatorNames())
}

// What an operator cannot read is refused in a policy, and fits nothing elsewhere.
func TestUnreadableValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		op, opposite, good, expected string
		bad                          []string
	}{
		{"NumericEquals", "NumericNotEquals", "5", "a number", []string{
			"", " ", "a", "0x10", ".5", "5.", "NaN", "Inf", "1_0", " 5", "5 ", "--5", "1e", "1e1000001", "1e9999999999999999999", "1,5", "\u0665", "true",
		}},
		{"DateEquals", "DateNotEquals", "2030-01-01", "a time in RFC 3339", []string{
			"", "never", "2023-13-14", "2023-02-30", "2023-11-14 22:13:20Z", "2023-11-14T22:13:20", "14.11.2023", "9999999999999", "1e12", "2023-1-1",
		}},
		{"Bool", "", "true", "true or false", []string{"", "yes", "1", "true ", "\u017false"}},
		{"Null", "", "true", "true or false", []string{"", "no", "0"}},
		{"BinaryEquals", "", "YQ==", "base64", []string{"YQ", "Y Q==", "\u00e9", "YQ="}},
		{"IpAddress", "NotIpAddress", "192.0.2.1", "an address or a CIDR block", []string{
			"", "192.0.2", "192.0.2.0/33", "192.0.2.0/", "192.0.2.256", "::/129", "fe80::1%eth0/10", "localhost", "*", "010.0.0.1", "192.0.2.1/24/8",
		}},
	} {
		for _, bad := range c.bad {
			for _, text := range []string{fmt.Sprintf("%q", bad), fmt.Sprintf("[%q, %q]", c.good, bad)} {
				path := "Statement.Condition." + c.op + ".k:k"
				if text[0] == '[' {
					path += "[1]"
				}
				_, err := policy.Parse([]byte(`{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"` + c.op + `": {"k:k": ` + text + `}}}}`))
				var m *policy.Malformed
				require.ErrorAs(t, err, &m, "%s %s", c.op, text)
				require.Equal(t, path, m.Path)
				require.Contains(t, m.Expected, c.expected)
			}
			for op, want := range map[string]bool{c.op: false, c.opposite: true} {
				if op == "" {
					continue
				}
				require.Equal(t, want, holdsWith(t, op, "${x:want}", map[string][]string{"k:k": {c.good}, "x:want": {bad}}), "%s %q in the policy", op, bad)
				if op == "Null" {
					continue // looks at no value
				}
				require.Equal(t, want, holds(t, op, c.good, bad), "%s %q in the request", op, bad)
				require.Equal(t, want, holdsWith(t, op, "${x:want}", map[string][]string{"k:k": {bad}, "x:want": {bad}}), "%s %q in both", op, bad)
			}
		}
	}
	// In the old version a variable is text, and no number.
	_, err := policy.Parse([]byte(`{"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"NumericEquals": {"k:k": "${x:y}"}}}}`))
	require.ErrorIs(t, err, policy.ErrMalformed)
}

// Numbers and booleans count as they are written.
func TestValuesAsText(t *testing.T) {
	t.Parallel()
	require.True(t, holds(t, "StringEquals", json.RawMessage(`1.50`), "1.50"))
	require.False(t, holds(t, "StringEquals", json.RawMessage(`1.50`), "1.5"))
	require.True(t, holds(t, "StringEquals", json.RawMessage(`[1E+2, true]`), "1E+2"))
	require.True(t, holds(t, "StringEquals", true, "true"))
	require.True(t, holds(t, "NumericEquals", json.RawMessage(`12345678901234567890123`), "12345678901234567890123.0"))
}

func TestKeysCompareWithoutCaseOfASCII(t *testing.T) {
	t.Parallel()
	f := pumpFacts()
	f.Extra = map[string][]string{"aws:PrincipalTag/\u212a": {"kelvin"}, "x:y": {"1"}, "X:Y": {"2"}, "x:attr[A]": {"upper"}}
	for condition, want := range map[string]bool{
		`"StringEquals": {"IOT:CLIENTID": "pump-0001"}`:                             true,
		`"StringEquals": {"iot:connection.THING.attributes[site]": "berlin"}`:       true,
		`"StringEquals": {"iot:Connection.Thing.Attributes[Site]": "berlin"}`:       false,
		`"StringEquals": {"aws:principaltag/k": "kelvin"}`:                          false, // not the letter k
		`"StringEquals": {"x:y": "2"}`:                                              true,  // "X:Y" sorts first
		`"StringEquals": {"X:ATTR[A]": "upper"}`:                                    true,
		`"StringEquals": {"x:attr[a]": "upper"}`:                                    false,
		`"StringEquals": {"iot:ClientId": "pump-0001", "IOT:ClientId": "other"}`:    false, // both must hold
		`"StringEquals": {"x:none": "pump-0001"}`:                                   false,
		`"StringEquals": {"iot:Connection.Thing.Attributes[site]": "${X:y}berlin"}`: false,
	} {
		b := program(t, `{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {`+condition+`}}`).Bind(f)
		require.Equal(t, want, b.Publish("a").Allowed(), condition)
	}
	// Actions, too: the long s is no s.
	require.False(t, program(t, statement("Allow", "iot:Publi\u017fh", "topic/a")).Bind(f).Publish("a").Allowed())
}

// What an entry with a variable without value does to its statement.
func TestUnresolvedVariables(t *testing.T) {
	t.Parallel()
	allow := `{"Effect": "Allow", "Action": "*", "Resource": "*"}`
	one := func(effect, element, list string) string {
		return `{"Effect": "` + effect + `", "Action": "*", "` + element + `": [` + list + `]}`
	}
	const unresolved, a, b = `"` + testScope + `topic/${x:none}"`, `"` + testScope + `topic/a"`, `"` + testScope + `topic/b"`
	const elsewhere = `"` + testScope + `client/${x:none}"`
	for _, c := range []struct {
		about      string
		statements []string
		want       policy.Outcome // of publishing to a
	}{
		{"matches nothing", []string{one("Allow", "Resource", unresolved)}, policy.ImplicitDeny},
		{"others count", []string{one("Allow", "Resource", unresolved+","+a)}, policy.Allowed},
		{"a deny vanishes", []string{allow, one("Deny", "Resource", unresolved)}, policy.Allowed},
		{"a deny's others count", []string{allow, one("Deny", "Resource", unresolved+","+a)}, policy.ExplicitDeny},
		{"no allow by it", []string{one("Allow", "NotResource", unresolved)}, policy.ImplicitDeny},
		{"nor with others", []string{one("Allow", "NotResource", unresolved+","+b)}, policy.ImplicitDeny},
		{"nor of another kind", []string{one("Allow", "NotResource", elsewhere+","+b)}, policy.ImplicitDeny},
		{"a deny stays", []string{allow, one("Deny", "NotResource", unresolved)}, policy.ExplicitDeny},
		{"unless others match", []string{allow, one("Deny", "NotResource", unresolved+","+a)}, policy.Allowed},
	} {
		d := program(t, c.statements...).Bind(pumpFacts()).Publish("a")
		require.Equal(t, c.want, d.Outcome, c.about)
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	full := pumpFacts()
	full.DomainName = "hub.example"
	full.Certificate = map[string][]string{
		"Subject.CommonName": {"cn", "cn2", "cn3", "cn4", "cn5", "cn6"}, "Subject.Title": {"a+b"}, "Issuer.Country": {"DE"}, "serialnumber": {"0a"},
	}
	full.Cognito = &policy.Cognito{IdentityID: "eu:1", PoolID: "eu:p", Authenticated: true, AMR: []string{"unauthenticated"}}
	full.Thing.Attributes["a, 'b'"] = "comma"
	full.LastWillTopic = testScope + "topic/will"
	full.Extra = map[string][]string{
		"x:one": {"1"}, "x:two": {"1", "2"}, "iot:DomainName": {"spoofed"}, "iot:ClientId": {"spoofed"}, "aws:SourceIp": {"203.0.113.1"},
		"x:bad": {"\xff"}, "iot:CertificateId": {"spoofed"}, "iot:Connection.Thing.ThingName": {"spoofed"},
	}
	overHTTP := *full
	overHTTP.HTTP = true
	bare := &policy.Facts{ClientID: "c", Extra: full.Extra}
	detached := *full
	detached.Thing.Attached = false
	other := *full
	other.Thing.Name = "other"
	for _, c := range []struct {
		facts      *policy.Facts
		name, want string
	}{
		{full, "iot:ClientId", "pump-0001"},
		{&overHTTP, "iot:ClientId", ""},
		{full, "iot:CertificateId", full.CertificateID},
		{bare, "iot:CertificateId", ""},
		{full, "aws:SourceIp", "192.0.2.10"},
		{bare, "aws:SourceIp", "203.0.113.1"},
		{full, "iot:DomainName", "hub.example"},
		{bare, "iot:DomainName", "spoofed"},
		{full, "aws:SecureTransport", "true"},
		{bare, "aws:SecureTransport", "false"},
		{full, "iot:Connection.Thing.ThingName", "pump-0001"},
		{&overHTTP, "iot:Connection.Thing.ThingName", ""},
		{&detached, "iot:Connection.Thing.ThingName", ""},
		{&other, "iot:Connection.Thing.ThingName", ""},
		{full, "iot:Connection.Thing.ThingTypeName", "pump"},
		{&detached, "iot:Connection.Thing.ThingTypeName", ""},
		{full, "iot:Connection.Thing.Attributes[site]", "berlin"},
		{&other, "iot:Connection.Thing.Attributes[site]", ""},
		{full, "iot:Connection.Thing.Attributes[none]", ""},
		{full, "iot:Connection.Thing.IsAttached", "true"},
		{&detached, "iot:Connection.Thing.IsAttached", "false"},
		{bare, "iot:Connection.Thing.IsAttached", "false"},
		{&overHTTP, "iot:Connection.Thing.IsAttached", ""},
		{full, "iot:Thing.ThingName", ""},
		{full, "iot:Certificate.Subject.CommonName", "cn"},
		{full, "iot:certificate.subject.commonname.4", "cn5"},
		{full, "iot:Certificate.Subject.CommonName.5", ""}, // five values count
		{full, "iot:Certificate.Subject.CommonName.List", ""},
		{full, "iot:Certificate.Issuer.Country.List", "DE"},
		{full, "iot:Certificate.Subject.Title", ""}, // has a +
		{full, "iot:Certificate.SerialNumber", "0a"},
		{bare, "iot:Certificate.SerialNumber", ""},
		{full, "cognito-identity.amazonaws.com:sub", "eu:1"},
		{full, "cognito-identity.amazonaws.com:aud", "eu:p"},
		{full, "cognito-identity.amazonaws.com:amr", "authenticated"},
		{bare, "cognito-identity.amazonaws.com:amr", ""},
		{full, "iot:LastWillTopic", testScope + "topic/will"},
		{full, "x:one", "1"},
		{full, "x:two", ""},
		{full, "x:bad", ""},
		{full, "x:one, 'default'", "1"},
		{full, "x:none, 'default'", "default"},
		{full, "x:none,'default'", "default"},
		{full, "x:none , 'default' ", "default"},
		{full, "x:none, 'with, comma'", "with, comma"},
		{full, "x:none, '*'", "*"}, // the character
		{full, "x:two, 'default'", ""},
		{full, "x:bad, 'default'", ""},
		{full, "x:none, default", ""},
		{full, "x:none 'default'", ""},
		{full, "x:none, \"default\"", ""},
		{full, "x:none, 'default", ""},
		{full, "x:none, default'", ""},
		{&overHTTP, "iot:ClientId, 'nobody'", "nobody"},
		{full, "iot:ClientId, 'nobody'", "pump-0001"},
		{&other, "iot:Connection.Thing.Attributes[site], 'nowhere'", "nowhere"},
		{full, "iot:Connection.Thing.Attributes[a, 'b']", "comma"},
		{full, "iot:Certificate.Subject.Title, 'default'", ""}, // has a +
		{full, "iot:Certificate.Subject.GivenName, '+'", "+"},
	} {
		for _, name := range []string{c.name, "X" + c.name} { // the other does not exist
			b := program(t, statement("Allow", "iot:Publish", "topic/v=${"+name+"}")).Bind(c.facts)
			want := c.want
			if name != c.name {
				want = ""
				if strings.Contains(name, "'") {
					continue // it may have a default
				}
			}
			require.Equal(t, want != "", b.Publish("v="+want).Allowed(), "%s is %q", name, want)
			require.False(t, b.Publish("v=spoofed").Allowed() && want != "spoofed", name)
			require.False(t, b.Publish("v=${"+name+"}").Allowed(), name)
		}
	}
}

func TestSetsOfKeys(t *testing.T) {
	t.Parallel()
	f := &policy.Facts{
		SourceIP:    netip.MustParseAddr("::ffff:192.0.2.1"),
		Certificate: map[string][]string{"Subject.CommonName": {"*", "b"}, "Subject.Title": {}, "Issuer.Country": {"DE"}},
		Cognito:     &policy.Cognito{AMR: []string{"graph.facebook.com", "authenticated"}},
	}
	for condition, want := range map[string]bool{
		`"ForAllValues:StringEquals": {"iot:Certificate.AvailableKeys": ["iot:Certificate.Subject.CommonName", "iot:Certificate.Issuer.Country"]}`: true,
		`"ForAnyValue:StringEquals": {"iot:Certificate.AvailableKeys": "iot:Certificate.Subject.Title"}`:                                           false,
		`"ForAllValues:StringEquals": {"iot:Certificate.Subject.CommonName.List": ["b", "*"]}`:                                                     true,
		`"ForAllValues:StringEquals": {"iot:Certificate.Subject.CommonName.List": ["b"]}`:                                                          false,
		`"StringEquals": {"iot:Certificate.Subject.CommonName": "*"}`:                                                                              true, // a value in a condition is not put in anywhere
		`"ForAllValues:StringEquals": {"cognito-identity.amazonaws.com:amr": ["unauthenticated", "graph.facebook.com"]}`:                           true,
		`"ForAnyValue:StringEquals": {"cognito-identity.amazonaws.com:amr": "authenticated"}`:                                                      false,
		`"StringEquals": {"aws:SourceIp": "192.0.2.1"}`:                                                                                            true,
	} {
		b := program(t, `{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {`+condition+`}}`).Bind(f)
		require.Equal(t, want, b.Publish("a").Allowed(), condition)
	}
}
