package provision_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/provision"
)

// jitpBody is a template for just-in-time provisioning that shows all parameters.
func jitpBody() string {
	parameters, attributes := "", ""
	for _, name := range []string{"Country", "Organization", "OrganizationalUnit", "DistinguishedNameQualifier", "StateName", "CommonName", "SerialNumber", "Id"} {
		parameters += fmt.Sprintf(`"AWS::IoT::Certificate::%s": {"Type": "String"},`, name)
		attributes += fmt.Sprintf(`"%s": {"Ref": "AWS::IoT::Certificate::%s"},`, name, name)
	}
	return `{"Parameters": {` + parameters + `"Fixed": {"Type": "String", "Default": "f"}}, "Resources": {
		"thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "AWS::IoT::Certificate::CommonName"}}},
		"certificate": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}}},
		"policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "pumps"}}},
		"DeviceConfiguration": {` + attributes + `"fixed": {"Ref": "Fixed"}}}`
}

// smallBody needs the common name alone.
const smallBody = `{"Parameters": {"AWS::IoT::Certificate::CommonName": {"Type": "String", "Default": "nobody"}}, "Resources": {
	"thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "AWS::IoT::Certificate::CommonName"}}},
	"certificate": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}}},
	"policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": {"Resource": {"Ref": "AWS::IoT::Certificate::CommonName"}}}}}}`

// pending makes a certificate that has just been registered because its CA is.
func (r *rig) pending(t *testing.T, subject pkix.Name) (id string, cert *x509.Certificate) {
	t.Helper()
	id, text := r.foreign(t, subject)
	certificates{r.world}.add(id, text, provision.PendingActivation, false)
	block, _ := pem.Decode([]byte(text))
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return id, cert
}

func TestJustInTime(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := r.CreateProvisioningTemplate(t.Context(), provision.CreateTemplateInput{Name: "jitp", Type: provision.JustInTime, Body: jitpBody(), Enabled: true})
	require.NoError(t, err)
	for i, j := range []provision.JITP{{TemplateBody: jitpBody()}, {TemplateName: "jitp"}} {
		name := fmt.Sprintf("dev-%d", i)
		var id string
		id, j.Certificate = r.pending(t, pkix.Name{
			Country: []string{"DE", "FR"}, Organization: []string{"Org"}, OrganizationalUnit: []string{"Unit", "Other"}, Province: []string{"State"},
			CommonName: name, SerialNumber: "S1", ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 46}, Value: "Q"}},
		})
		require.NoError(t, r.CheckRegistration(t.Context(), j.TemplateBody, j.TemplateName))
		out, err := r.Provision(t.Context(), j)
		require.NoError(t, err)
		require.Equal(t, name, out.ThingName)
		require.Equal(t, map[string]string{
			"Country": "DE", "Organization": "Org", "OrganizationalUnit": "Unit", "DistinguishedNameQualifier": "Q", "StateName": "State",
			"CommonName": name, "SerialNumber": "S1", "Id": id, "fixed": "f",
		}, out.DeviceConfiguration)
		require.Equal(t, provision.Active, r.status(id))
		require.Equal(t, []string{arnPrefix + "cert/" + id}, r.attached[name])
		// Once more is no harm: devices try again within seconds.
		_, err = r.Provision(t.Context(), j)
		require.NoError(t, err)
	}
}

func TestJustInTimeFails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := r.CreateProvisioningTemplate(t.Context(), provision.CreateTemplateInput{Name: "off", Type: provision.JustInTime, Body: smallBody})
	require.NoError(t, err)
	r.fleet(t)
	id, good := r.pending(t, pkix.Name{CommonName: "d"})
	_, nameless := r.pending(t, pkix.Name{Organization: []string{"o"}})
	_, evil := r.pending(t, pkix.Name{CommonName: "*"})
	_, text := r.foreign(t, pkix.Name{CommonName: "d2"})
	block, _ := pem.Decode([]byte(text))
	unknown, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	before := r.state()
	for name, c := range map[string]struct {
		in   provision.JITP
		kind error
		text string
	}{
		"no certificate":  {provision.JITP{TemplateBody: smallBody}, provision.ErrInvalid, "certificate is missing"},
		"no template":     {provision.JITP{Certificate: good}, provision.ErrInvalid, "one of them"},
		"two templates":   {provision.JITP{Certificate: good, TemplateBody: smallBody, TemplateName: "off"}, provision.ErrInvalid, "one of them"},
		"a bad template":  {provision.JITP{Certificate: good, TemplateBody: "{"}, provision.ErrInvalid, "templateBody"},
		"unknown":         {provision.JITP{Certificate: good, TemplateName: "nope"}, provision.ErrNotFound, "nope"},
		"switched off":    {provision.JITP{Certificate: good, TemplateName: "off"}, provision.ErrNotFound, "enabled for just-in-time"},
		"for fleets":      {provision.JITP{Certificate: good, TemplateName: "fleet"}, provision.ErrNotFound, "enabled for just-in-time"},
		"for fleets too":  {provision.JITP{Certificate: good, TemplateBody: fleetBody}, provision.ErrInvalid, "a default"},
		"no common name":  {provision.JITP{Certificate: nameless, TemplateBody: smallBody}, provision.ErrParameters, "lacks AWS::IoT::Certificate::CommonName"},
		"a wild name":     {provision.JITP{Certificate: evil, TemplateBody: strings.Replace(smallBody, `"ThingName": {"Ref": "AWS::IoT::Certificate::CommonName"}`, `"ThingName": "t"`, 1)}, provision.ErrParameters, "no *, ? or $"},
		"not registered":  {provision.JITP{Certificate: unknown, TemplateBody: smallBody}, provision.ErrRegistration, "the certificate cannot be registered"},
		"a missing state": {provision.JITP{Certificate: good, TemplateBody: jitpBody()}, provision.ErrParameters, "StateName"},
	} {
		_, err := r.Provision(t.Context(), c.in)
		require.ErrorIs(t, err, c.kind, name)
		require.ErrorContains(t, err, c.text, name)
		require.Equal(t, before, r.state(), name)
	}
	require.ErrorIs(t, r.CheckRegistration(t.Context(), "", ""), provision.ErrInvalid)
	require.ErrorIs(t, r.CheckRegistration(t.Context(), "", "off"), provision.ErrNotFound)
	_, err = r.Provision(context.Background(), provision.JITP{Certificate: good, TemplateBody: smallBody})
	require.NoError(t, err)
	require.Equal(t, provision.Active, r.status(id))
}

// A device that connects many times at once, at two hubs, is provisioned once; whoever
// came too late, or failed, has taken nothing away.
func TestOneCertificateManyTimes(t *testing.T) {
	t.Parallel()
	for round := range 20 {
		r := newRig(t)
		other := newRig(t, func(c *provision.Config) {
			c.Directory = r.directory
			c.Certificates, c.Things, c.Policies = certificates{r.world}, things{r.world}, policies{r.world}
		})
		id, cert := r.pending(t, pkix.Name{CommonName: "d"})
		failing := strings.Replace(smallBody, `"policy":`, `"gone": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "gone"}}, "policy":`, 1)
		succeeded := many(t, 12, func(i int) bool {
			body := smallBody
			if i%3 == round%3 {
				body = failing
			}
			_, err := []*rig{r, other}[i%2].Provision(t.Context(), provision.JITP{TemplateBody: body, Certificate: cert})
			if err != nil && !errors.Is(err, provision.ErrUpdateConflict) && (body == smallBody || !errors.Is(err, provision.ErrRegistration)) {
				t.Error(err)
			}
			return err == nil
		})
		if succeeded == 0 { // all the others came while one that fails was at work
			_, err := r.Provision(t.Context(), provision.JITP{TemplateBody: smallBody, Certificate: cert})
			require.NoError(t, err)
		}
		require.Equal(t, provision.Active, r.status(id))
		require.Equal(t, []string{arnPrefix + "cert/" + id}, r.attached["d"])
		require.Len(t, r.targets, 1)
		for _, targets := range r.targets {
			require.Equal(t, []string{arnPrefix + "cert/" + id}, targets)
		}
		r.nothingLeft(t, "provisioning-lock")
	}
}

// The lock of a hub that died ends by itself.
func TestALockEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &failing{Directory: auth.NewMemory()}
		r := newRig(t, func(c *provision.Config) { c.Directory = d })
		id, cert := r.pending(t, pkix.Name{CommonName: "d"})
		_, other := r.pending(t, pkix.Name{CommonName: "d2"})
		for _, c := range []*x509.Certificate{cert, other} {
			d.failAt = d.commits + 2 // the unlocking
			_, err := r.Provision(t.Context(), provision.JITP{TemplateBody: smallBody, Certificate: c})
			require.NoError(t, err)
		}
		_, err := r.Provision(t.Context(), provision.JITP{TemplateBody: smallBody, Certificate: cert})
		require.ErrorIs(t, err, provision.ErrUpdateConflict)
		time.Sleep(time.Minute)
		_, err = r.Provision(t.Context(), provision.JITP{TemplateBody: smallBody, Certificate: cert})
		require.NoError(t, err)
		require.Equal(t, provision.Active, r.status(id))
		running(t, r.Service)
		synctest.Wait()
		r.nothingLeft(t, "provisioning-lock")
	})
}
