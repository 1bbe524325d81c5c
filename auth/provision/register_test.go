package provision_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/provision"
)

// registerBody is a template for RegisterThing, with what is left open in it.
func registerBody(certificate, thingOverrides, certificateOverrides string) string {
	return `{"Parameters": {"Name": {"Type": "String"}, "C": {"Type": "String", "Default": ""}},
	"Resources": {
		"thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "Name"}, "ThingTypeName": "pump",
			"AttributePayload": {"a": "new", "b": "new"}, "ThingGroups": ["g1", "g2"], "BillingGroup": "bill"},
			"OverrideSettings": {` + thingOverrides + `}},
		"certificate": {"Type": "AWS::IoT::Certificate", "Properties": {` + certificate + `}, "OverrideSettings": {` + certificateOverrides + `}},
		"named": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "pumps"}},
		"written": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": {"Version": "2012-10-17", "Statement": [], "Id": {"Ref": "Name"}}}}},
	"DeviceConfiguration": {"name": {"Ref": "Name"}}}`
}

const (
	byID  = `"CertificateId": {"Ref": "C"}`
	byPEM = `"CertificatePem": {"Ref": "C"}`
	byCSR = `"CertificateSigningRequest": {"Ref": "C"}`
)

// known registers a certificate with the world.
func (w *world) known(t testing.TB, status provision.Status) (id string) {
	t.Helper()
	c, err := certificates{w}.withKeys(status, time.Now().AddDate(1, 0, 0), false)
	require.NoError(t, err)
	return c.ID
}

// foreign makes a certificate that is not registered, signed by the world's authority.
func (w *world) foreign(t testing.TB, subject pkix.Name) (id, text string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	id, text, err = w.ca.sign(key.Public(), subject, time.Now().AddDate(1, 0, 0))
	require.NoError(t, err)
	return id, text
}

func TestRegisterThing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	out, err := r.RegisterThing(t.Context(), registerBody(byCSR, "", ""), map[string]string{"Name": "p1", "C": request(t)})
	require.NoError(t, err)
	id := out.CertificateID
	require.Equal(t, provision.Active, r.status(id))
	require.Equal(t, r.certificates[id].PEM, out.CertificatePEM)
	require.Equal(t, "p1", out.ThingName)
	require.Equal(t, map[string]string{"name": "p1"}, out.DeviceConfiguration)
	var written string
	for name := range r.policies {
		if name != "pumps" {
			written = name
		}
	}
	require.JSONEq(t, `{"Version": "2012-10-17", "Statement": [], "Id": "p1"}`, r.policies[written])
	require.Equal(t, map[string]string{
		"thing": arnPrefix + "thing/p1", "certificate": arnPrefix + "cert/" + id,
		"named": arnPrefix + "policy/pumps", "written": arnPrefix + "policy/" + written,
	}, out.ResourceARNs)
	require.Equal(t, &provision.Thing{Name: "p1", Type: "pump", BillingGroup: "bill", Attributes: map[string]string{"a": "new", "b": "new"}, Groups: []string{"g1", "g2"}, Version: 1}, r.things["p1"])
	require.Equal(t, []string{arnPrefix + "cert/" + id}, r.attached["p1"])
	require.Equal(t, []string{arnPrefix + "cert/" + id}, r.targets["pumps"])
	require.Equal(t, []string{arnPrefix + "cert/" + id}, r.targets[written])
}

// Once more with the same parameters changes nothing.
func TestRegisterThingAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.known(t, provision.Inactive)
	parameters := map[string]string{"Name": "p1", "C": id}
	first, err := r.RegisterThing(t.Context(), registerBody(byID, "", ""), parameters)
	require.NoError(t, err)
	before := r.state()
	again, err := r.RegisterThing(t.Context(), registerBody(byID, "", ""), parameters)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, before, r.state())
}

func TestRegisterThingWithPEM(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, text := r.foreign(t, pkix.Name{CommonName: "d"})
	withCA := byPEM + `, "CACertificatePem": ` + quoted(r.ca.pem) + `, "Status": "INACTIVE"`
	out, err := r.RegisterThing(t.Context(), registerBody(withCA, "", ""), map[string]string{"Name": "p1", "C": text})
	require.NoError(t, err)
	require.Equal(t, id, out.CertificateID)
	require.Equal(t, provision.Inactive, r.status(id))
	// The same one is found, and the status is replaced.
	out, err = r.RegisterThing(t.Context(), registerBody(byPEM, "", ""), map[string]string{"Name": "p1", "C": text})
	require.NoError(t, err)
	require.Equal(t, id, out.CertificateID)
	require.Equal(t, provision.Active, r.status(id))
	// FAIL is about certificates that were there.
	id, text = r.foreign(t, pkix.Name{CommonName: "d2"})
	_, err = r.RegisterThing(t.Context(), registerBody(byPEM, "", `"Status": "FAIL"`), map[string]string{"Name": "p2", "C": text})
	require.NoError(t, err)
	require.Equal(t, provision.Active, r.status(id))
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func TestCertificateStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		is       provision.Status
		template string // ACTIVE by default
		override string
		want     provision.Status // empty: a conflict
	}{
		{provision.PendingActivation, "", "", provision.Active},
		{provision.PendingActivation, "INACTIVE", "", provision.Inactive},
		{provision.PendingActivation, "", "DO_NOTHING", provision.Active},
		{provision.PendingActivation, "", "FAIL", provision.Active},
		{provision.Inactive, "", "", provision.Active},
		{provision.Inactive, "", "REPLACE", provision.Active},
		{provision.Inactive, "", "DO_NOTHING", provision.Inactive},
		{provision.Inactive, "", "FAIL", ""},
		{provision.Inactive, "INACTIVE", "FAIL", provision.Inactive},
		{provision.Active, "INACTIVE", "", provision.Inactive},
		{provision.Active, "INACTIVE", "DO_NOTHING", provision.Active},
		{provision.Active, "INACTIVE", "FAIL", ""},
		{provision.Revoked, "", "", ""},
		{provision.Revoked, "", "DO_NOTHING", ""},
		{provision.PendingTransfer, "", "REPLACE", ""},
	} {
		r := newRig(t)
		id := r.known(t, c.is)
		status, override := "", ""
		if c.template != "" {
			status = `, "Status": "` + c.template + `"`
		}
		if c.override != "" {
			override = `"Status": "` + c.override + `"`
		}
		before := r.state()
		_, err := r.RegisterThing(t.Context(), registerBody(byID+status, "", override), map[string]string{"Name": "p1", "C": id})
		if c.want == "" {
			require.ErrorIs(t, err, provision.ErrConflict, "%+v", c)
			var e *provision.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "ResourceConflictException", e.Exception())
			require.Equal(t, before, r.state(), "%+v", c)
			continue
		}
		require.NoError(t, err, "%+v", c)
		require.Equal(t, c.want, r.status(id), "%+v", c)
	}
}

func TestOverridesOfAThing(t *testing.T) {
	t.Parallel()
	old := provision.Thing{Name: "p1", Type: "valve", BillingGroup: "", Attributes: map[string]string{"a": "old", "c": "old"}, Groups: []string{"g2", "g3"}, Version: 7}
	replaced := map[string]string{"a": "new", "b": "new"}
	merged := map[string]string{"a": "new", "b": "new", "c": "old"}
	for _, c := range []struct {
		overrides  string
		typ        string // empty: a conflict
		attributes map[string]string
		groups     []string
	}{
		{``, "valve", old.Attributes, old.Groups},
		{`"AttributePayload": "DO_NOTHING", "ThingTypeName": "DO_NOTHING", "ThingGroups": "DO_NOTHING"`, "valve", old.Attributes, old.Groups},
		{`"AttributePayload": "REPLACE"`, "valve", replaced, old.Groups},
		{`"AttributePayload": "MERGE"`, "valve", merged, old.Groups},
		{`"ThingTypeName": "REPLACE"`, "pump", old.Attributes, old.Groups},
		{`"ThingGroups": "REPLACE"`, "valve", old.Attributes, []string{"g1", "g2"}},
		{`"ThingGroups": "MERGE"`, "valve", old.Attributes, []string{"g1", "g2", "g3"}},
		{`"AttributePayload": "MERGE", "ThingTypeName": "REPLACE", "ThingGroups": "REPLACE"`, "pump", merged, []string{"g1", "g2"}},
		{`"AttributePayload": "FAIL"`, "", nil, nil},
		{`"ThingTypeName": "FAIL", "ThingGroups": "MERGE"`, "", nil, nil},
		{`"AttributePayload": "REPLACE", "ThingGroups": "FAIL"`, "", nil, nil},
	} {
		r := newRig(t)
		th := old
		th.Attributes, th.Groups = maps.Clone(old.Attributes), slices.Clone(old.Groups)
		r.things["p1"] = &th
		id := r.known(t, provision.Inactive)
		before := r.state()
		_, err := r.RegisterThing(t.Context(), registerBody(byID, c.overrides, ""), map[string]string{"Name": "p1", "C": id})
		if c.typ == "" {
			require.ErrorIs(t, err, provision.ErrConflict, c.overrides)
			require.Equal(t, before, r.state())
			// Where there is no thing, FAIL is no obstacle.
			_, err = r.RegisterThing(t.Context(), registerBody(byID, c.overrides, ""), map[string]string{"Name": "p2", "C": id})
			require.NoError(t, err)
			continue
		}
		require.NoError(t, err, c.overrides)
		now := r.things["p1"]
		slices.Sort(now.Groups)
		require.Equal(t, c.typ, now.Type, c.overrides)
		require.Equal(t, c.attributes, now.Attributes, c.overrides)
		require.Equal(t, c.groups, now.Groups, c.overrides)
		require.Equal(t, "bill", now.BillingGroup) // which it had not
	}
}

func TestABillingGroupStays(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.things["p1"] = &provision.Thing{Name: "p1", BillingGroup: "mine", Version: 1}
	_, err := r.RegisterThing(t.Context(), registerBody(byCSR, "", ""), map[string]string{"Name": "p1", "C": request(t)})
	require.NoError(t, err)
	require.Equal(t, "mine", r.things["p1"].BillingGroup)
}

func TestWhatCannotBeRegistered(t *testing.T) {
	t.Parallel()
	thing := func(properties string) string {
		return `{"Resources": {"t": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": "p1", ` + properties + `}}}}`
	}
	for _, c := range []struct {
		name, body string
		parameters map[string]string
		kind       error
		message    string
	}{
		{"unknown certificate", registerBody(byID, "", ""), map[string]string{"Name": "p1", "C": strings.Repeat("a", 64)}, provision.ErrRegistration, "the certificate cannot be registered"},
		{"no certificate id", registerBody(byID, "", ""), map[string]string{"Name": "p1", "C": "A"}, provision.ErrParameters, "64 lower-case hexadecimal digits"},
		{"no request", registerBody(byCSR, "", ""), map[string]string{"Name": "p1", "C": "x"}, provision.ErrRegistration, "signing request is no PEM"},
		{"empty request", registerBody(byCSR, "", ""), map[string]string{"Name": "p1", "C": ""}, provision.ErrParameters, "expected some text"},
		{"no PEM", registerBody(byPEM, "", ""), map[string]string{"Name": "p1", "C": "x"}, provision.ErrRegistration, "a certificate in PEM"},
		{"another PEM", registerBody(byPEM, "", ""), map[string]string{"Name": "p1", "C": toPEM("CERTIFICATE", []byte("x"))}, provision.ErrRegistration, "the certificate is none"},
		{"a key", registerBody(byPEM, "", ""), map[string]string{"Name": "p1", "C": toPEM("PRIVATE KEY", []byte("x"))}, provision.ErrRegistration, "a certificate in PEM"},
		{"no type", thing(`"ThingTypeName": "nope"`), nil, provision.ErrRegistration, "thing type nope"},
		{"no group", thing(`"ThingGroups": ["nope"]`), nil, provision.ErrRegistration, "thing group nope"},
		{"attributes", thing(`"AttributePayload": {"a": "1", "b": "1", "c": "1", "d": "1"}`), nil, provision.ErrRegistration, "4 attributes"},
		{"parameters", thing(`"BillingGroup": "b"`), map[string]string{"a": strings.Repeat("x", 70000)}, provision.ErrParameters, "70001 bytes"},
		{"template", `{"Resources": {}}`, nil, provision.ErrInvalid, "at least one"},
	} {
		r := newRig(t)
		before := r.state()
		_, err := r.RegisterThing(t.Context(), c.body, c.parameters)
		require.ErrorIs(t, err, c.kind, c.name)
		require.ErrorContains(t, err, c.message, c.name)
		require.Equal(t, before, r.state(), c.name)
	}

	r := newRig(t)
	delete(r.policies, "pumps")
	before := r.state()
	_, err := r.RegisterThing(t.Context(), registerBody(byCSR, "", ""), map[string]string{"Name": "p1", "C": request(t)})
	require.ErrorIs(t, err, provision.ErrRegistration)
	var e *provision.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "ResourceRegistrationFailureException", e.Exception())
	require.Equal(t, before, r.state())

	many := map[string]string{}
	for i := range 101 {
		many[strings.Repeat("x", i)] = ""
	}
	_, err = r.RegisterThing(t.Context(), thing(`"BillingGroup": "b"`), many)
	require.ErrorContains(t, err, "101 parameters")
}

// Whichever call fails, and in whatever state the world is, what was there before is
// there afterwards.
func TestAllOrNothing(t *testing.T) {
	t.Parallel()
	_, text := newWorld(t).foreign(t, pkix.Name{CommonName: "d"})
	csr := request(t)
	const overrides = `"AttributePayload": "MERGE", "ThingTypeName": "REPLACE", "ThingGroups": "REPLACE"`
	for _, c := range []struct {
		name, body, certificate string
		prepare                 func(r *rig)
	}{
		{"new with a request", registerBody(byCSR, "", ""), csr, func(*rig) {}},
		{"new with PEM", registerBody(byPEM, "", ""), text, func(*rig) {}},
		{"a thing that is there", registerBody(byCSR, overrides, ""), csr, func(r *rig) {
			r.things["p1"] = &provision.Thing{Name: "p1", Type: "valve", Attributes: map[string]string{"z": "1"}, Groups: []string{"g3"}, Version: 3}
		}},
	} {
		// How many calls there are without a failure.
		r := newRig(t)
		c.prepare(r)
		_, err := r.RegisterThing(t.Context(), c.body, map[string]string{"Name": "p1", "C": c.certificate})
		require.NoError(t, err, c.name)
		calls := slices.Clone(r.calls)
		require.Greater(t, len(calls), 8)
		for at := 1; at <= len(calls); at++ {
			r := newRig(t)
			c.prepare(r)
			r.failAt = at
			before := r.state()
			_, err := r.RegisterThing(t.Context(), c.body, map[string]string{"Name": "p1", "C": c.certificate})
			require.ErrorIs(t, err, errBroken, "%s: call %d, %s", c.name, at, calls[at-1])
			require.NotErrorIs(t, err, provision.ErrInvalid)
			require.Equal(t, before, r.state(), "%s: call %d, %s", c.name, at, calls[at-1])
		}
	}
}

// busy things say now and then that somebody else was faster.
type busy struct {
	things
	conflicts map[string]int // calls that fail, by method
}

func (b busy) conflict(method string) error {
	if b.conflicts[method] == 0 {
		return nil
	}
	b.conflicts[method]--
	return provision.ErrUpdateConflict
}

func (b busy) Update(ctx context.Context, th provision.Thing) (int64, error) {
	if err := b.conflict("Update"); err != nil {
		return 0, err
	}
	return b.things.Update(ctx, th)
}

func (b busy) Regroup(ctx context.Context, name string, join, leave []string) error {
	if err := b.conflict("Regroup"); err != nil {
		return err
	}
	return b.things.Regroup(ctx, name, join, leave)
}

// Create makes the thing that somebody else makes at the same time.
func (b busy) Create(ctx context.Context, th provision.Thing) error {
	if b.conflict("Create") != nil {
		th.Attributes = map[string]string{"a": "theirs"}
		if err := b.things.Create(ctx, th); err != nil {
			return err
		}
	}
	return b.things.Create(ctx, th)
}

func TestSomebodyElseIsFaster(t *testing.T) {
	t.Parallel()
	const overrides = `"AttributePayload": "MERGE", "ThingGroups": "MERGE"`
	for _, c := range []struct {
		name      string
		there     bool
		conflicts map[string]int
		want      error
	}{
		{"an update", true, map[string]int{"Update": 3}, nil},
		{"too many updates", true, map[string]int{"Update": 4}, provision.ErrUpdateConflict},
		{"groups", true, map[string]int{"Regroup": 2}, nil},
		{"a creation", false, map[string]int{"Create": 1}, nil},
		{"groups of a new thing", false, map[string]int{"Regroup": 1}, provision.ErrUpdateConflict},
	} {
		w := newWorld(t)
		r := newRig(t, func(cfg *provision.Config) {
			cfg.Certificates, cfg.Policies, cfg.Things = certificates{w}, policies{w}, busy{things{w}, c.conflicts}
		})
		if c.there {
			w.things["p1"] = &provision.Thing{Name: "p1", Attributes: map[string]string{"z": "z"}, Version: 1}
		}
		before := w.state()
		_, err := r.RegisterThing(t.Context(), registerBody(byCSR, overrides, ""), map[string]string{"Name": "p1", "C": request(t)})
		if c.want != nil {
			require.ErrorIs(t, err, c.want, c.name)
			require.Equal(t, before, w.state(), c.name)
			continue
		}
		require.NoError(t, err, c.name)
		require.Equal(t, "new", w.things["p1"].Attributes["a"], c.name)
		require.Equal(t, []string{"g1", "g2"}, w.things["p1"].Groups, c.name)
	}
}

// vanishing policies are taken back by others before they can be attached.
type vanishing struct {
	policies
	times *int
}

func (v vanishing) Attach(ctx context.Context, name, target string) (bool, error) {
	if *v.times > 0 {
		*v.times--
		if err := v.Delete(ctx, name); err != nil {
			return false, err
		}
	}
	return v.policies.Attach(ctx, name, target)
}

func TestAPolicyThatVanishes(t *testing.T) {
	t.Parallel()
	for times, want := range map[int]error{1: nil, 3: nil, 4: provision.ErrRegistration} {
		w := newWorld(t)
		r := newRig(t, func(c *provision.Config) {
			c.Certificates, c.Things, c.Policies = certificates{w}, things{w}, vanishing{policies{w}, &times}
		})
		id := w.known(t, provision.Inactive)
		before := w.state()
		_, err := r.RegisterThing(t.Context(), withDocument(`{}`), map[string]string{"P": "", "AWS::IoT::Certificate::Id": id})
		require.ErrorIs(t, err, want)
		if want != nil {
			require.Equal(t, before, w.state())
			continue
		}
		require.Equal(t, provision.Active, w.status(id))
		require.Equal(t, []string{arnPrefix + "cert/" + id}, w.targets["44136FA355B3678A1146AD16F7E8649E94FB4FC2"])
	}
}
