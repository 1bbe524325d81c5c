package provision_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/provision"
)

// body puts the properties of a thing into a template that declares P, Q (default "q")
// and the mapping M.
func body(properties string) string {
	return `{"Parameters": {"P": {"Type": "String"}, "Q": {"Type": "String", "Default": "q"}},
		"Mappings": {"M": {"k": {"n": "found"}, "k2": {"n": "also"}}},
		"Resources": {"thing": {"Type": "AWS::IoT::Thing", "Properties": {` + properties + `}}}}`
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expression, p, want string }{
		{`"plain"`, "x", "plain"},
		{`{"Ref": "P"}`, "dev1", "dev1"},
		{`{"Ref": "Q"}`, "x", "q"},
		{`{"Fn::Join": ["-", ["a", {"Ref": "P"}, "c"]]}`, "b", "a-b-c"},
		{`{"Fn::Join": ["", [{"Ref": "P"}]]}`, "b", "b"},
		{`{"Fn::Join": ["_", {"Fn::Split": ["/", {"Ref": "P"}]}]}`, "a/b/c", "a_b_c"},
		{`{"Fn::Select": ["1", ["a", "b", "c"]]}`, "x", "b"},
		{`{"Fn::Select": [2, ["a", "b", "c"]]}`, "x", "c"},
		{`{"Fn::Select": [{"Ref": "P"}, {"Fn::Split": ["|", "a|b|c"]}]}`, "0", "a"},
		{`{"Fn::FindInMap": ["M", {"Ref": "P"}, "n"]}`, "k2", "also"},
		{`{"Fn::FindInMap": ["M", "k", "n"]}`, "x", "found"},
		{`{"Fn::Sub": "a-${P}-${Q}"}`, "b", "a-b-q"},
		{`{"Fn::Sub": ["${own}-${P}", {"own": {"Fn::Join": ["_", ["1", {"Ref": "Q"}]]}}]}`, "b", "1_q-b"},
		{`{"Fn::Sub": ["${P}", {"P": "mine"}]}`, "b", "mine"},
		{`{"Fn::Sub": "plain"}`, "b", "plain"},
	} {
		parsed, err := provision.Parse(body(`"ThingName": ` + c.expression))
		require.NoError(t, err, c.expression)
		p, err := parsed.Evaluate(map[string]string{"P": c.p, "extra": "is tolerated"})
		require.NoError(t, err, c.expression)
		require.Equal(t, c.want, p.Thing.Name, c.expression)
	}
}

func TestWhatATemplateBecomes(t *testing.T) {
	t.Parallel()
	parsed, err := provision.Parse(`{
		"Parameters": {"P": {"Type": "String"}},
		"Resources": {
			"t": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": "n", "ThingTypeName": "ty", "BillingGroup": "b",
				"AttributePayload": {"Ref": {"Ref": "P"}, "empty": "", "Fn::Join": "x"}, "ThingGroups": ["g", {"Ref": "P"}, "g"]},
				"OverrideSettings": {"AttributePayload": "MERGE", "ThingTypeName": "REPLACE", "ThingGroups": "FAIL"}},
			"c": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificatePem": {"Ref": "P"}, "CACertificatePem": "ca", "Status": "inactive"},
				"OverrideSettings": {"Status": "DO_NOTHING"}},
			"p1": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": {"Ref": "P"}}},
			"p2": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": {"Version": "2012-10-17"}}}},
		"DeviceConfiguration": {"url": {"Fn::Sub": "https://${P}/<a>&"}}}`)
	require.NoError(t, err)
	require.Equal(t, []provision.Parameter{{Name: "P"}}, parsed.Parameters())
	p, err := parsed.Evaluate(map[string]string{"P": "pp"})
	require.NoError(t, err)
	require.Equal(t, &provision.Plan{
		Thing: &provision.ThingPlan{
			Resource: "t", Name: "n", Type: "ty", BillingGroup: "b", Attributes: map[string]string{"Ref": "pp", "Fn::Join": "x"},
			Groups: []string{"g", "pp"}, OnAttributes: provision.Merge, OnType: provision.Replace, OnGroups: provision.Fail,
		},
		Certificate: &provision.CertificatePlan{Resource: "c", PEM: "pp", CAPEM: "ca", Status: provision.Inactive, OnStatus: provision.DoNothing},
		Policies: []provision.PolicyPlan{
			{Resource: "p1", Name: "pp"},
			{Resource: "p2", Name: "52279714D77BCFAD953E90E091F01CF2B8DF980C", Document: `{"Version":"2012-10-17"}`},
		},
		DeviceConfiguration: map[string]string{"url": "https://pp/<a>&"},
	}, p)

	// Nothing that is absent is taken for empty.
	parsed, err = provision.Parse(`{"Resources": {"c": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateSigningRequest": "r"}}}}`)
	require.NoError(t, err)
	p, err = parsed.Evaluate(nil)
	require.NoError(t, err)
	require.Equal(t, &provision.Plan{
		Certificate:         &provision.CertificatePlan{Resource: "c", CSR: "r", Status: provision.Active},
		DeviceConfiguration: map[string]string{},
	}, p)
}

// A template with a mistake is refused when it is made, and the error says where.
func TestMistakesInTemplates(t *testing.T) {
	t.Parallel()
	const thing = "templateBody.Resources.thing"
	const name = thing + ".Properties.ThingName"
	resource := func(r string) string { return `{"Resources": {"x": ` + r + `}}` }
	for _, c := range []struct{ body, field, message string }{
		{``, "templateBody", "ends too early"},
		{`{`, "templateBody", "ends too early"},
		{`[]`, "templateBody", "an array, expected an object"},
		{`{} {}`, "templateBody", "more after the end"},
		{`{"a": "` + "\xff" + `"}`, "templateBody", "not UTF-8"},
		{`{"Resources": {}, "Resources": {}}`, "templateBody", `two members "Resources"`},
		{strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 40), "templateBody", "more than 32 deep"},
		{strings.Repeat(" ", provision.MaxTemplate+1), "templateBody", "at most 10240"},
		{`{"resources": {}}`, "templateBody", `"resources", expected one of the members Parameters, Mappings, Resources, DeviceConfiguration`},
		{`{}`, "templateBody.Resources", "missing"},
		{`{"Resources": {}}`, "templateBody.Resources", "at least one resource"},
		{`{"Resources": 5}`, "templateBody.Resources", "5, expected an object"},
		{`{"Parameters": [], "Resources": {}}`, "templateBody.Parameters", "an array"},
		{`{"Parameters": {"A": {}}, "Resources": {}}`, "templateBody.Parameters.A.Type", `missing, expected "String"`},
		{`{"Parameters": {"A": {"Type": "Number"}}, "Resources": {}}`, "templateBody.Parameters.A.Type", `"Number", expected "String"`},
		{`{"Parameters": {"A": {"Type": "String", "Default": 5}}, "Resources": {}}`, "templateBody.Parameters.A.Default", "5, expected text"},
		{`{"Parameters": {"A": {"Type": "String", "AllowedValues": []}}, "Resources": {}}`, "templateBody.Parameters.A", "AllowedValues"},
		{`{"Parameters": {"": {"Type": "String"}}, "Resources": {}}`, "templateBody.Parameters", "a name for each"},
		{`{"Parameters": {"AWS::IoT::Certificate::Nose": {"Type": "String"}}, "Resources": {}}`, "templateBody.Parameters", "AWS::IoT::Certificate::Country"},
		{`{"Mappings": 1, "Resources": {}}`, "templateBody.Mappings", "an object of mappings"},
		{`{"Mappings": {"M": 1}, "Resources": {}}`, "templateBody.Mappings.M", "an object of keys"},
		{`{"Mappings": {"M": {"k": []}}, "Resources": {}}`, "templateBody.Mappings.M.k", "an object of texts"},
		{`{"Mappings": {"M": {"k": {"n": null}}}, "Resources": {}}`, "templateBody.Mappings.M.k.n", "null, expected text"},
		{resource(`[]`), "templateBody.Resources.x", "an array"},
		{resource(`{"Properties": {}}`), "templateBody.Resources.x.Type", "missing"},
		{resource(`{"Type": "AWS::S3::Bucket", "Properties": {}}`), "templateBody.Resources.x.Type", "AWS::IoT::Thing"},
		{resource(`{"Type": "AWS::IoT::Thing"}`), "templateBody.Resources.x.Properties", "missing"},
		{resource(`{"Type": "AWS::IoT::Thing", "Properties": {}, "DependsOn": "y"}`), "templateBody.Resources.x", "DependsOn"},
		{resource(`{"Type": "AWS::IoT::Thing", "Properties": {}}`), "templateBody.Resources.x.Properties.ThingName", "missing"},
		{resource(`{"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "p"}}`), "templateBody.Resources", "AWS::IoT::Certificate"},
		{resource(`{"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "p"}, "OverrideSettings": {}}`), "templateBody.Resources.x.OverrideSettings", "none for a policy"},
		{resource(`{"Type": "AWS::IoT::Policy", "Properties": {}}`), "templateBody.Resources.x.Properties", "neither PolicyName nor PolicyDocument"},
		{resource(`{"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "p", "PolicyDocument": {}}}`), "templateBody.Resources.x.Properties", "both"},
		{resource(`{"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": "nonsense"}}`), "templateBody.Resources.x.Properties.PolicyDocument", "not a JSON object"},
		{resource(`{"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": "[]"}}`), "templateBody.Resources.x.Properties.PolicyDocument", "an array"},
		{resource(`{"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": {"a": [{"Ref": "nobody"}]}}}`), "templateBody.Resources.x.Properties.PolicyDocument.a[0].Ref", "declares"},
		{resource(`{"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": {"a": {"Fn::Split": ["", "x"]}}}}`), "templateBody.Resources.x.Properties.PolicyDocument.a.Fn::Split[0]", "a separator"},
		{resource(`{"Type": "AWS::IoT::Certificate", "Properties": {}}`), "templateBody.Resources.x.Properties", "0 of CertificateId"},
		{resource(`{"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": "a", "CertificatePem": "b"}}`), "templateBody.Resources.x.Properties", "2 of CertificateId"},
		{resource(`{"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": "a", "CACertificatePem": "b"}}`), "templateBody.Resources.x.Properties.CACertificatePem", "beside CertificatePem"},
		{resource(`{"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": "a", "Status": "REVOKED"}}`), "templateBody.Resources.x.Properties.Status", "ACTIVE or INACTIVE"},
		{resource(`{"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": "a"}, "OverrideSettings": {"Status": "MERGE"}}`), "templateBody.Resources.x.OverrideSettings.Status", "[DO_NOTHING REPLACE FAIL]"},
		{resource(`{"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": "a"}, "OverrideSettings": {"ThingGroups": "MERGE"}}`), "templateBody.Resources.x.OverrideSettings", "members Status"},
		{`{"Resources": {"a": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": "n"}}, "b": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": "n"}}}}`, "templateBody.Resources.b.Properties", "second"},
		{`{"Resources": {"a": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": "n"}}, "b": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": "n"}}}}`, "templateBody.Resources.b.Properties", "second"},
		{`{"Resources": {"a": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": "n"}}}, "DeviceConfiguration": {"a": 1}}`, "templateBody.DeviceConfiguration.a", "1, expected text"},
		{`{"Resources": {"a": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": "n"}}}, "DeviceConfiguration": []}`, "templateBody.DeviceConfiguration", "an object of texts"},

		{body(`"ThingName": 5`), name, "5, expected text"},
		{body(`"ThingName": ["a"]`), name, "an array, expected text"},
		{body(`"ThingName": {"a": "b", "c": "d"}`), name, "an object, expected text"},
		{body(`"ThingName": {"Fn::Base64": "a"}`), name + ".Fn::Base64", "Fn::FindInMap"},
		{body(`"ThingName": {"Fn::Split": ["-", "a"]}`), name + ".Fn::Split", "expected text"},
		{body(`"ThingName": {"Ref": ["P"]}`), name + ".Ref", "the name of a parameter"},
		{body(`"ThingName": {"Ref": "R"}`), name + ".Ref", `"R", expected the name of a parameter that the template declares`},
		{body(`"ThingName": {"Fn::Join": "a"}`), name + ".Fn::Join", `["separator", [texts]]`},
		{body(`"ThingName": {"Fn::Join": ["-"]}`), name + ".Fn::Join", "an array of 1"},
		{body(`"ThingName": {"Fn::Join": ["-", "a"]}`), name + ".Fn::Join[1]", "an array of texts"},
		{body(`"ThingName": {"Fn::Join": ["-", ["a", 1]]}`), name + ".Fn::Join[1][1]", "1, expected text"},
		{body(`"ThingName": {"Fn::Join": [1, ["a"]]}`), name + ".Fn::Join[0]", "1, expected text"},
		{body(`"ThingName": {"Fn::Select": ["2", ["a", "b"]]}`), name + ".Fn::Select[0]", "the index of an item"},
		{body(`"ThingName": {"Fn::Select": [-1, ["a", "b"]]}`), name + ".Fn::Select[0]", "the index of an item"},
		{body(`"ThingName": {"Fn::Select": ["x", {"Fn::Split": [",", {"Ref": "P"}]}]}`), name + ".Fn::Select[0]", "the index of an item"},
		{body(`"ThingName": {"Fn::Select": {"a": "b"}}`), name + ".Fn::Select", "an object"},
		{body(`"ThingName": {"Fn::FindInMap": ["N", "k", "n"]}`), name + ".Fn::FindInMap[0]", "Mappings"},
		{body(`"ThingName": {"Fn::FindInMap": ["M", "z", "n"]}`), name + ".Fn::FindInMap[1]", "Mappings.M"},
		{body(`"ThingName": {"Fn::FindInMap": ["M", "k", "z"]}`), name + ".Fn::FindInMap[2]", "Mappings.M.k"},
		{body(`"ThingName": {"Fn::FindInMap": ["M", "k"]}`), name + ".Fn::FindInMap", "an array of 2"},
		{body(`"ThingName": {"Fn::Sub": "a${P"}`), name + ".Fn::Sub", "a } after each ${"},
		{body(`"ThingName": {"Fn::Sub": "a${R}"}`), name + ".Fn::Sub", "declares"},
		{body(`"ThingName": {"Fn::Sub": 5}`), name + ".Fn::Sub", "5"},
		{body(`"ThingName": {"Fn::Sub": ["a", "b"]}`), name + ".Fn::Sub[1]", "an object of texts"},
		{body(`"ThingName": {"Fn::Sub": ["a", {"b": 1}]}`), name + ".Fn::Sub[1].b", "1, expected text"},
		{body(`"ThingName": {"Fn::Sub": [1, {"b": "1"}]}`), name + ".Fn::Sub[0]", "1"},
		{body(`"ThingName": "a", "Attributes": {}`), thing + ".Properties", "Attributes"},
		{body(`"ThingName": "a", "AttributePayload": []`), thing + ".Properties.AttributePayload", "an object of texts"},
		{body(`"ThingName": "a", "AttributePayload": {"v": 1}`), thing + ".Properties.AttributePayload.v", "1, expected text"},
		{body(`"ThingName": "a", "ThingGroups": "g"`), thing + ".Properties.ThingGroups", "an array of texts"},
		{body(`"ThingName": "a", "ThingGroups": {"Fn::Split": ["", {"Ref": "P"}]}`), thing + ".Properties.ThingGroups.Fn::Split[0]", "a separator"},
	} {
		_, err := provision.Parse(c.body)
		require.ErrorIs(t, err, provision.ErrInvalid, c.body)
		var e *provision.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, c.field, e.Field, c.body)
		require.ErrorContains(t, err, c.message, c.body)
		require.Equal(t, "InvalidRequestException", e.Exception())
	}
}

func TestTooMuchInATemplate(t *testing.T) {
	t.Parallel()
	parameters := map[string]any{}
	for i := range 101 {
		parameters[fmt.Sprint(i)] = map[string]string{"Type": "String"}
	}
	b, err := json.Marshal(map[string]any{"Parameters": parameters, "Resources": map[string]any{}})
	require.NoError(t, err)
	_, err = provision.Parse(string(b))
	require.ErrorContains(t, err, "at most 100")

	resources := map[string]any{}
	for i := range 11 {
		resources[fmt.Sprint(i)] = map[string]any{"Type": "AWS::IoT::Policy", "Properties": map[string]any{"PolicyName": "p"}}
	}
	b, err = json.Marshal(map[string]any{"Resources": resources})
	require.NoError(t, err)
	_, err = provision.Parse(string(b))
	require.ErrorContains(t, err, "at most 10")
}

func TestParametersThatDoNotFit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		properties string
		values     map[string]string
		message    string
	}{
		{`"ThingName": "n"`, nil, "parameters lacks P, which the template needs"},
		{`"ThingName": "n"`, map[string]string{"Q": "1"}, "lacks P"},
		{`"ThingName": {"Ref": "AWS::IoT::Certificate::Id"}`, map[string]string{"P": "1"}, "lacks AWS::IoT::Certificate::Id"},
		{`"ThingName": {"Ref": "P"}`, map[string]string{"P": ""}, "1 to 128 letters"},
		{`"ThingName": {"Ref": "P"}`, map[string]string{"P": "a/b"}, "1 to 128 letters"},
		{`"ThingName": {"Ref": "P"}`, map[string]string{"P": "ä"}, "1 to 128 letters"},
		{`"ThingName": {"Ref": "P"}`, map[string]string{"P": strings.Repeat("a", 129)}, "1 to 128 letters"},
		{`"ThingName": {"Fn::Select": [{"Ref": "P"}, ["a"]]}`, map[string]string{"P": "1"}, `Fn::Select is "1", expected a number below 1`},
		{`"ThingName": {"Fn::Select": ["1", {"Fn::Split": ["-", {"Ref": "P"}]}]}`, map[string]string{"P": "a"}, "below 1"},
		{`"ThingName": {"Fn::FindInMap": ["M", {"Ref": "P"}, "n"]}`, map[string]string{"P": "a"}, `finds nothing at "n" of "a" in mapping "M"`},
		{`"ThingName": {"Fn::Join": ["", {"Fn::Split": [{"Ref": "P"}, "a"]}]}`, map[string]string{"P": ""}, "separator of Fn::Split is empty"},
		{`"ThingName": "n"`, map[string]string{"P": "\xff"}, "UTF-8"},
		{`"ThingName": "n", "ThingGroups": {"Fn::Split": [",", {"Ref": "P"}]}`, map[string]string{"P": "g,"}, "ThingGroups[1]"},
		{`"ThingName": "n", "ThingTypeName": {"Ref": "P"}`, map[string]string{"P": ""}, "ThingTypeName"},
		{`"ThingName": "n", "BillingGroup": {"Ref": "P"}`, map[string]string{"P": " "}, "BillingGroup"},
	} {
		parsed, err := provision.Parse(body(c.properties))
		require.NoError(t, err)
		_, err = parsed.Evaluate(c.values)
		require.ErrorIs(t, err, provision.ErrParameters, c.properties)
		require.ErrorIs(t, err, provision.ErrInvalid)
		require.ErrorContains(t, err, c.message)
		var e *provision.Error
		require.ErrorAs(t, err, &e)
		require.NotEmpty(t, e.Field)
	}
}

// Functions within functions multiply: what they make is bounded, in memory and time.
func TestEvaluationIsBounded(t *testing.T) {
	t.Parallel()
	level := `{"Ref": "P"}`
	for range 8 {
		level = `{"Fn::Sub": ["` + strings.Repeat("${a}", 60) + `", {"a": ` + level + `}]}`
	}
	joins := `{"Ref": "P"}`
	for range 4 {
		joins = `{"Fn::Sub": ["` + strings.Repeat("${a}", 40) + `", {"a": {"Fn::Join": [{"Ref": "P"}, ["", ` + joins + `, ""]]}}]}`
	}
	wide := `{"Fn::Join": [{"Ref": "P"}, ["` + strings.Repeat(`", "`, 20) + `"]]}`
	for _, expression := range []string{level, joins, wide} {
		for _, p := range []string{"", "x", strings.Repeat("x", 60000)} {
			if expression == wide && len(p) < 2 {
				continue // 20 of it are not too much
			}
			parsed, err := provision.Parse(body(`"ThingName": ` + expression))
			require.NoError(t, err)
			_, err = parsed.Evaluate(map[string]string{"P": p})
			require.ErrorContains(t, err, "more than 1048576 bytes")
		}
	}
}
