package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/api"
)

// A step is a request and what must come of it: the type of the error, or "" for 200,
// and members of the body as JSON. "absent" stands for a member that must not be there.
type step struct {
	do, body string // "METHOD target"
	kind     string
	want     string
}

const (
	missingOne = "ResourceNotFound"
	wrong      = "InvalidRequest"
	taken      = "ResourceAlreadyExists"
	outdated   = "VersionConflict"
	tooMany    = "LimitExceeded"
)

// talk has a conversation with a hub of its own.
func talk(t *testing.T, steps []step, mod ...func(*api.Config)) stage {
	t.Helper()
	s := newStage(t, mod...)
	for _, st := range steps {
		s.step(t, st)
	}
	return s
}

func (s stage) step(t *testing.T, st step) answer {
	t.Helper()
	method, target, _ := strings.Cut(st.do, " ")
	var header []string
	if target, principal, ok := strings.Cut(target, " as "); ok {
		header = []string{"x-amzn-principal", principal}
		return s.met(t, st, ask(t, s.Handler(), method, target, st.body, header...))
	}
	return s.met(t, st, ask(t, s.Handler(), method, target, st.body))
}

func (s stage) met(t *testing.T, st step, a answer) answer {
	t.Helper()
	what := st.do + " " + st.body + ": " + a.text
	require.Equal(t, st.kind, strings.TrimSuffix(a.header.Get("X-Amzn-Errortype"), "Exception"), what)
	if st.want != "" {
		holds(t, st.want, any(a.body), what)
	}
	return a
}

const (
	things = "arn:aws:iot:local:000000000000:thing/"
	groups = "arn:aws:iot:local:000000000000:thinggroup/"
)

func attributesOf(n int) string {
	pairs := make([]string, n)
	for i := range pairs {
		pairs[i] = fmt.Sprintf(`"a%d":"v"`, i)
	}
	return `{"attributePayload":{"attributes":{` + strings.Join(pairs, ",") + `}}}`
}

func TestThings(t *testing.T) {
	t.Parallel()
	talk(t, []step{
		{"POST /things/a", "", "", `{"thingName":"a","thingArn":"` + things + `a"}`},
		{"POST /things/a", "", "", `{"thingName":"a"}`},
		{"POST /things/a", attributesOf(1), taken, `{"resourceArn":"` + things + `a","message":"Thing a already exists in account with different attributes"}`},
		{"GET /things/a", "", "", `{"defaultClientId":"a","thingName":"a","thingArn":"` + things + `a","attributes":{},"version":1,"thingTypeName":"absent","billingGroupName":"absent"}`},
		{"GET /things/none", "", missingOne, `{"message":"Thing none cannot be found."}`},
		{"POST /things/x%3Ay", `{"attributePayload":{"attributes":{"k@,/:#-":"[=]"}}}`, "", `{"thingName":"x:y"}`},
		{"GET /things/x%3Ay", "", "", `{"attributes":{"k@,/:#-":"[=]"}}`},
		{"POST /things/a%2Fb", "", wrong, ""},
		{"POST /things/%20", "", wrong, ""},
		{"POST /things/a%00", "", wrong, ""},
		{"POST /things/%C3%A9", "", wrong, ""},
		{"POST /things/" + strings.Repeat("x", 129), "", wrong, ""},
		{"POST /things/" + strings.Repeat("x", 128), "", "", ""},
		{"POST /things/b", `{"thingTypeName":"none"}`, missingOne, ""},
		{"POST /things/b", `{"billingGroupName":"none"}`, missingOne, ""},
		{"POST /things/b", attributesOf(4), wrong, ""},
		{"POST /things/b", `{"attributePayload":{"attributes":{"a b":"v"}}}`, wrong, ""},
		{"POST /things/b", `{"attributePayload":{"attributes":{"a":"v w"}}}`, wrong, ""},
		{"POST /things/b", `{"attributePayload":{"attributes":{"a":"` + strings.Repeat("v", 801) + `"}}}`, wrong, ""},
		{"GET /things/b", "", missingOne, ""}, // nothing of that was done
		{"POST /things/b", attributesOf(3), "", ""},
		{"PATCH /things/b", "", "", ""},
		{"PATCH /things/b", `{"expectedVersion":1}`, outdated, ""},
		{"PATCH /things/b", `{"expectedVersion":2,"attributePayload":{"attributes":{"a0":"","n":"1"},"merge":true}}`, "", ""},
		{"GET /things/b", "", "", `{"version":3,"attributes":{"a0":"absent","a1":"v","n":"1"}}`},
		{"PATCH /things/b", `{"attributePayload":{"attributes":{"z":"1"}}}`, "", ""},
		{"GET /things/b", "", "", `{"version":4,"attributes":{"a1":"absent","z":"1"}}`},
		{"PATCH /things/none", "", missingOne, ""},
		{"PATCH /things/b", `{"thingTypeName":"none"}`, missingOne, ""},
		{"POST /thing-types/t", "", "", ""},
		{"PATCH /things/b", `{"thingTypeName":"t",` + attributesOf(50)[1:], "", ""},
		{"PATCH /things/b", attributesOf(51), wrong, ""},
		{"PATCH /things/b", `{"removeThingType":true}`, wrong, ""}, // 50 are too many then
		{"PATCH /things/b", `{"removeThingType":true,"thingTypeName":"t"}`, wrong, ""},
		{"PATCH /things/b", `{"removeThingType":true,"attributePayload":{}}`, "", ""},
		{"GET /things/b", "", "", `{"thingTypeName":"absent","attributes":{}}`},
		{"GET /things?maxResults=1", "", "", `{"things":[{"thingName":"a","thingArn":"` + things + `a","attributes":{},"version":1,"thingId":"absent"}]}`},
		{"GET /things?thingTypeName=none", "", "", `{"things":[],"nextToken":"absent"}`},
		{"GET /things?attributeName=k%40%2C%2F%3A%23-&attributeValue=%5B%3D%5D", "", "", `{"things":[{"thingName":"x:y"}]}`},
		{"GET /things?attributeName=k%40%2C%2F%3A%23-&attributeValue=%5B&usePrefixAttributeValue=TRUE", "", "", `{"things":[{"thingName":"x:y"}]}`},
		{"GET /things?attributeName=k%40%2C%2F%3A%23-&attributeValue=%5B", "", "", `{"things":[]}`},
		{"GET /things?attributeValue=x", "", wrong, ""},
		{"GET /things?maxResults=251", "", wrong, ""},
		{"GET /things?maxResults=0", "", wrong, ""},
		{"GET /things?nextToken=nonsense", "", wrong, ""},
		{"DELETE /things/a?expectedVersion=2", "", outdated, ""},
		{"DELETE /things/a?expectedVersion=x", "", wrong, ""},
		{"DELETE /things/a?expectedVersion=1", "", "", ""},
		{"DELETE /things/a", "", "", ""},
	})
}

func TestThingTypes(t *testing.T) {
	t.Parallel()
	talk(t, []step{
		{"POST /thing-types/t", `{"thingTypeProperties":{"thingTypeDescription":"<d>","searchableAttributes":["b","a"]},"tags":[{"Key":"k","Value":"v"}]}`, "", `{"thingTypeName":"t","thingTypeArn":"arn:aws:iot:local:000000000000:thingtype/t"}`},
		{"POST /thing-types/t", `{"thingTypeProperties":{"thingTypeDescription":"<d>","searchableAttributes":["a","b"]}}`, "", ""},
		{"POST /thing-types/t", "", taken, `{"resourceArn":"arn:aws:iot:local:000000000000:thingtype/t"}`},
		{"POST /thing-types/u", "", "", ""},
		{"POST /thing-types/u", `{"thingTypeProperties":{"thingTypeDescription":"","searchableAttributes":[]}}`, "", ""},
		{"POST /thing-types/v", `{"thingTypeProperties":{"searchableAttributes":["a","b","c","d"]}}`, wrong, ""},
		{"POST /thing-types/v", `{"thingTypeProperties":{"mqtt5Configuration":{"propagatingAttributes":[{"userPropertyKey":"k","thingAttribute":"a","connectionAttribute":"iot:ClientId"}]}}}`, wrong, ""},
		{"POST /thing-types/v", `{"thingTypeProperties":{"mqtt5Configuration":{"propagatingAttributes":[{"userPropertyKey":"k","thingAttribute":"a"}]}}}`, "", ""},
		{"GET /thing-types/v", "", "", `{"thingTypeProperties":{"mqtt5Configuration":{"propagatingAttributes":[{"userPropertyKey":"k","thingAttribute":"a"}]}}}`},
		{"GET /thing-types/t", "", "", `{"thingTypeProperties":{"thingTypeDescription":"<d>","searchableAttributes":["a","b"]},"thingTypeMetadata":{"deprecated":false,"deprecationDate":"absent"}}`},
		{"GET /thing-types/none", "", missingOne, ""},
		{"PATCH /thing-types/t", `{"thingTypeProperties":{"thingTypeDescription":"new"}}`, "", ""},
		{"GET /thing-types/t", "", "", `{"thingTypeProperties":{"thingTypeDescription":"new","searchableAttributes":["a","b"]}}`},
		{"PATCH /thing-types/none", "", missingOne, ""},
		{"POST /things/a", `{"thingTypeName":"t"}`, "", ""},
		{"POST /thing-types/t/deprecate", "", "", ""},
		{"GET /thing-types/t", "", "", `{"thingTypeMetadata":{"deprecated":true}}`},
		{"POST /things/b", `{"thingTypeName":"t"}`, wrong, `{"message":"Can not create new thing with deprecated thing type:t"}`},
		{"POST /things/b", "", "", ""},
		{"PATCH /things/b", `{"thingTypeName":"t"}`, wrong, ""},
		{"PATCH /things/a", `{"thingTypeName":"t"}`, "", ""}, // which has it
		{"DELETE /thing-types/t", "", wrong, ""},
		{"POST /thing-types/t/deprecate", `{"undoDeprecate":true}`, "", ""},
		{"DELETE /thing-types/t", "", wrong, ""},
		{"DELETE /thing-types/none", "", missingOne, ""},
		{"POST /thing-types/none/deprecate", "", missingOne, ""},
		{"GET /thing-types?maxResults=1", "", "", `{"thingTypes":[{"thingTypeName":"t","thingTypeId":"absent","thingTypeMetadata":{"deprecated":false}}]}`},
		{"GET /thing-types?thingTypeName=u", "", "", `{"thingTypes":[{"thingTypeName":"u"}],"nextToken":"absent"}`},
		{"GET /thing-types?thingTypeName=none", "", "", `{"thingTypes":[]}`},
	})
}

func TestThingGroups(t *testing.T) {
	t.Parallel()
	s := talk(t, []step{
		{"POST /thing-groups/g", "", "", `{"thingGroupName":"g","thingGroupArn":"` + groups + `g"}`},
		{"POST /thing-groups/g", "", "", ""},
		{"POST /thing-groups/g", `{"thingGroupProperties":{"thingGroupDescription":"d"}}`, taken, `{"resourceArn":"` + groups + `g"}`},
		{"POST /thing-groups/h", `{"parentGroupName":"none"}`, wrong, ""},
		{"POST /thing-groups/h", `{"parentGroupName":"g","thingGroupProperties":{"thingGroupDescription":"d","attributePayload":{"attributes":{"a":"b"}}},"tags":[{"Key":"k"}]}`, "", ""},
		{"GET /thing-groups/g", "", "", `{"version":1,"thingGroupProperties":{},"thingGroupMetadata":{"parentGroupName":"absent","rootToParentThingGroups":"absent"},"status":"absent","queryString":"absent"}`},
		{"GET /thing-groups/h", "", "", `{"thingGroupProperties":{"thingGroupDescription":"d","attributePayload":{"attributes":{"a":"b"}}},"thingGroupMetadata":{"parentGroupName":"g","rootToParentThingGroups":[{"groupName":"g","groupArn":"` + groups + `g"}]}}`},
		{"GET /thing-groups/none", "", missingOne, ""},
		{"PATCH /thing-groups/h", `{"thingGroupProperties":{"attributePayload":{"attributes":{"c":"d"},"merge":true}},"expectedVersion":9}`, outdated, ""},
		{"PATCH /thing-groups/h", `{"thingGroupProperties":{"attributePayload":{"attributes":{"c":"d"},"merge":true}},"expectedVersion":1}`, "", `{"version":2}`},
		{"PATCH /thing-groups/h", "", wrong, ""},
		{"PATCH /thing-groups/none", `{"thingGroupProperties":{}}`, missingOne, ""},
		{"GET /thing-groups/h", "", "", `{"version":2,"thingGroupProperties":{"thingGroupDescription":"d","attributePayload":{"attributes":{"a":"b","c":"d"}}}}`},
		{"DELETE /thing-groups/g", "", wrong, ""},
		{"DELETE /thing-groups/none", "", "", ""},
		{"DELETE /thing-groups/h?expectedVersion=1", "", outdated, ""},
		{"GET /thing-groups?parentGroup=none", "", missingOne, ""},
		{"GET /thing-groups?recursive=x", "", wrong, ""},
		{"GET /thing-groups?recursive=false", "", "", `{"thingGroups":[{"groupName":"g"}]}`},
		{"GET /thing-groups?parentGroup=g&maxResults=1", "", "", `{"thingGroups":[{"groupName":"h","groupArn":"` + groups + `h"}],"nextToken":"absent"}`},
		{"GET /thing-groups?namePrefixFilter=x", "", "", `{"thingGroups":[]}`},
		{"POST /things/a", "", "", ""},
		{"POST /things/b", "", "", ""},
		{"PUT /thing-groups/addThingToThingGroup", `{"thingGroupName":"h","thingName":"a"}`, "", ""},
		{"PUT /thing-groups/addThingToThingGroup", `{"thingGroupName":"h","thingName":"a"}`, "", ""},
		{"PUT /thing-groups/addThingToThingGroup", `{"thingGroupName":"g","thingName":"a"}`, wrong, ""}, // of the same hierarchy
		{"PUT /thing-groups/addThingToThingGroup", `{"thingGroupArn":"` + groups + `g","thingArn":"` + things + `b"}`, "", ""},
		{"PUT /thing-groups/addThingToThingGroup", `{"thingGroupArn":"arn:aws:iot:eu:000000000000:thinggroup/g","thingName":"b"}`, missingOne, ""},
		{"PUT /thing-groups/addThingToThingGroup", `{"thingGroupArn":"` + things + `g","thingName":"b"}`, wrong, ""},
		{"PUT /thing-groups/addThingToThingGroup", "", wrong, ""},
		{"PUT /thing-groups/addThingToThingGroup", `{"thingGroupName":"none","thingName":"a"}`, missingOne, ""},
		{"PUT /thing-groups/addThingToThingGroup", `{"thingGroupName":"h","thingName":"none"}`, missingOne, ""},
		{"GET /thing-groups/g/things", "", "", `{"things":["b"]}`},
		{"GET /thing-groups/g/things?recursive=true", "", "", `{"things":["a","b"],"nextToken":"absent"}`},
		{"GET /thing-groups/none/things", "", missingOne, ""},
		{"GET /things/a/thing-groups", "", "", `{"thingGroups":[{"groupName":"h","groupArn":"` + groups + `h"}],"nextToken":"absent"}`},
		{"GET /things/none/thing-groups", "", missingOne, ""},
		{"PUT /thing-groups/removeThingFromThingGroup", `{"thingGroupName":"h","thingName":"a"}`, "", ""},
		{"PUT /thing-groups/removeThingFromThingGroup", `{"thingGroupName":"h","thingName":"a"}`, "", ""},
		{"PUT /thing-groups/removeThingFromThingGroup", `{"thingGroupName":"none","thingName":"a"}`, missingOne, ""},
		{"PUT /thing-groups/updateThingGroupsForThing", `{"thingName":"b","thingGroupsToAdd":["h"],"thingGroupsToRemove":["g"]}`, "", ""},
		{"PUT /thing-groups/updateThingGroupsForThing", `{"thingName":"b","thingGroupsToAdd":["none"],"thingGroupsToRemove":["h"]}`, missingOne, ""},
		{"GET /things/b/thing-groups", "", "", `{"thingGroups":[{"groupName":"h"}]}`},
		{"PUT /thing-groups/updateThingGroupsForThing", "", wrong, ""},
	})
	for depth := 3; depth <= 8; depth++ {
		st := step{fmt.Sprint("POST /thing-groups/d", depth), fmt.Sprintf(`{"parentGroupName":"d%d"}`, depth-1), "", ""}
		switch depth {
		case 3:
			st.body = `{"parentGroupName":"h"}`
		case 8:
			st.kind = wrong
		}
		s.step(t, st)
	}
	for i := range 100 { // h is one
		st := step{fmt.Sprint("POST /thing-groups/c", i), `{"parentGroupName":"g"}`, "", ""}
		if i == 99 {
			st.kind = wrong
		}
		s.step(t, st)
	}
	for i := range 11 {
		s.step(t, step{do: fmt.Sprint("POST /thing-groups/top", i)})
		st := step{"PUT /thing-groups/addThingToThingGroup", fmt.Sprintf(`{"thingGroupName":"top%d","thingName":"a"}`, i), "", ""}
		if i == 10 {
			st.kind = wrong
		}
		s.step(t, st)
	}
}

func TestBillingGroups(t *testing.T) {
	t.Parallel()
	const billing = "arn:aws:iot:local:000000000000:billinggroup/"
	talk(t, []step{
		{"POST /billing-groups/b", "", "", `{"billingGroupName":"b","billingGroupArn":"` + billing + `b"}`},
		{"POST /billing-groups/b", "", "", ""},
		{"POST /billing-groups/b", `{"billingGroupProperties":{"billingGroupDescription":"d"}}`, taken, `{"resourceArn":"` + billing + `b"}`},
		{"POST /billing-groups/b2", `{"tags":[{"Key":"k","Value":"v"}]}`, "", ""},
		{"GET /billing-groups/b", "", "", `{"version":1,"billingGroupProperties":{}}`},
		{"GET /billing-groups/none", "", missingOne, ""},
		{"PATCH /billing-groups/b", `{"billingGroupProperties":{"billingGroupDescription":"d"},"expectedVersion":2}`, outdated, ""},
		{"PATCH /billing-groups/b", `{"billingGroupProperties":{"billingGroupDescription":"d"},"expectedVersion":1}`, "", `{"version":2}`},
		{"PATCH /billing-groups/b", "", wrong, ""},
		{"PATCH /billing-groups/none", `{"billingGroupProperties":{}}`, missingOne, ""},
		{"POST /things/a", `{"billingGroupName":"b"}`, "", ""},
		{"POST /things/a", "", taken, ""},
		{"GET /things/a", "", "", `{"billingGroupName":"b"}`},
		{"POST /things/c", "", "", ""},
		{"PUT /billing-groups/addThingToBillingGroup", `{"billingGroupArn":"` + billing + `b","thingArn":"` + things + `c"}`, "", ""},
		{"PUT /billing-groups/addThingToBillingGroup", `{"billingGroupName":"b2","thingName":"c"}`, wrong, ""}, // it is in another one
		{"PUT /billing-groups/addThingToBillingGroup", `{"billingGroupName":"none","thingName":"c"}`, missingOne, ""},
		{"PUT /billing-groups/addThingToBillingGroup", "", wrong, ""},
		{"GET /billing-groups/b/things?maxResults=2", "", "", `{"things":["a","c"],"nextToken":"absent"}`},
		{"GET /billing-groups/none/things", "", missingOne, ""},
		{"GET /billing-groups?namePrefixFilter=b2", "", "", `{"billingGroups":[{"groupName":"b2","groupArn":"` + billing + `b2"}],"nextToken":"absent"}`},
		{"PUT /billing-groups/removeThingFromBillingGroup", `{"billingGroupName":"b2","thingName":"c"}`, "", ""},
		{"PUT /billing-groups/removeThingFromBillingGroup", `{"billingGroupName":"b","thingName":"c"}`, "", ""},
		{"PUT /billing-groups/removeThingFromBillingGroup", `{"billingGroupName":"none","thingName":"c"}`, missingOne, ""},
		{"DELETE /billing-groups/b?expectedVersion=1", "", outdated, ""},
		{"DELETE /billing-groups/b", "", "", ""},
		{"DELETE /billing-groups/b", "", "", ""},
		{"GET /things/a", "", "", `{"billingGroupName":"absent"}`},
	})
}

func TestPrincipals(t *testing.T) {
	t.Parallel()
	const one, two = " as arn:aws:iot:local:000000000000:cert/aa", " as arn:aws:iot:local:000000000000:cert/bb"
	talk(t, []step{
		{"POST /things/a", "", "", ""},
		{"POST /things/b", "", "", ""},
		{"PUT /things/a/principals", "", wrong, ""},
		{"PUT /things/a/principals" + one, "", "", ""},
		{"PUT /things/a/principals" + one, "", "", ""},
		{"PUT /things/none/principals" + one, "", missingOne, ""},
		{"PUT /things/b/principals?thingPrincipalType=EXCLUSIVE_THING" + one, "", wrong, ""}, // it has another thing
		{"PUT /things/b/principals?thingPrincipalType=EXCLUSIVE_THING" + two, "", "", ""},
		{"PUT /things/b/principals?thingPrincipalType=EXCLUSIVE_THING" + two, "", "", ""},
		{"PUT /things/a/principals" + two, "", wrong, ""},
		{"PUT /things/a/principals?thingPrincipalType=ANY" + two, "", wrong, ""},
		{"GET /things/a/principals", "", "", `{"principals":["arn:aws:iot:local:000000000000:cert/aa"],"nextToken":"absent"}`},
		{"GET /things/none/principals", "", missingOne, ""},
		{"GET /things/b/principals-v2", "", "", `{"thingPrincipalObjects":[{"principal":"arn:aws:iot:local:000000000000:cert/bb","thingPrincipalType":"EXCLUSIVE_THING"}]}`},
		{"GET /things/b/principals-v2?thingPrincipalType=NON_EXCLUSIVE_THING", "", "", `{"thingPrincipalObjects":[]}`},
		{"GET /things/b/principals-v2?thingPrincipalType=ANY", "", wrong, ""},
		{"GET /things/none/principals-v2", "", missingOne, ""},
		{"GET /principals/things" + one, "", "", `{"things":["a"],"nextToken":"absent"}`},
		{"GET /principals/things", "", wrong, ""},
		{"GET /principals/things-v2" + two, "", "", `{"principalThingObjects":[{"thingName":"b","thingPrincipalType":"EXCLUSIVE_THING"}]}`},
		{"GET /principals/things as unknown", "", "", `{"things":[]}`},
		{"DELETE /things/a", "", wrong, ""}, // a principal is attached
		{"DELETE /things/a/principals" + one, "", "", ""},
		{"DELETE /things/a/principals" + one, "", "", ""},
		{"DELETE /things/none/principals" + one, "", missingOne, ""},
		{"DELETE /things/a", "", "", ""},
	})
}

func TestTags(t *testing.T) {
	t.Parallel()
	tags := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`{"Key":"k%d","Value":"v"}`, i)
		}
		return `"tags":[` + strings.Join(list, ",") + `]`
	}
	const on = `{"resourceArn":"` + groups + `g",`
	talk(t, []step{
		{"POST /thing-groups/g", "{" + tags(51) + "}", wrong, ""},
		{"POST /thing-groups/g", "{" + tags(50) + "}", "", ""},
		{"POST /tags", on + `"tags":[{"Key":"one more"}]}`, tooMany, ""},
		{"POST /untag", on + `"tagKeys":["k0","none"]}`, "", ""},
		{"POST /tags", on + `"tags":[{"Key":"one more"},{"Key":"k1","Value":"w"}]}`, "", ""},
		{"POST /tags", on + `"tags":[{"Key":"aws:x","Value":"v"}]}`, wrong, ""},
		{"POST /tags", on + `"tags":[{"Key":"k1","Value":"v"},{"Key":"k1","Value":"v"}]}`, wrong, ""},
		{"POST /tags", on + `"tags":[{"Value":"v"}]}`, wrong, ""},
		{"POST /tags", `{"resourceArn":"` + groups + `g"}`, wrong, ""},
		{"POST /tags", `{"tags":[]}`, wrong, ""},
		{"POST /tags", `{"resourceArn":"` + groups + `none","tags":[]}`, missingOne, ""},
		{"POST /untag", `{"resourceArn":"` + groups + `none","tagKeys":[]}`, missingOne, ""},
		{"POST /untag", `{"resourceArn":"` + groups + `g"}`, wrong, ""},
		{"POST /things/a", "", "", ""},
		{"GET /tags?resourceArn=" + things + "a", "", "", `{"tags":[],"nextToken":"absent"}`},
		{"GET /tags?resourceArn=" + things + "none", "", missingOne, ""},
		{"GET /tags?resourceArn=nonsense", "", wrong, ""},
		{"GET /tags", "", wrong, ""},
		{"DELETE /thing-groups/g", "", "", ""},
		{"POST /thing-groups/g", "", "", ""},
		{"GET /tags?resourceArn=" + groups + "g", "", "", `{"tags":[]}`},
	})
}

func TestAccount(t *testing.T) {
	t.Parallel()
	s := talk(t, []step{
		{"GET /endpoint", "", "", `{"endpointAddress":"hub.test"}`},
		{"GET /endpoint?endpointType=iot:Data-ATS", "", "", `{"endpointAddress":"hub.test"}`},
		{"GET /endpoint?endpointType=iot:Data", "", "", ""},
		{"GET /endpoint?endpointType=iot:Jobs", "", "", ""},
		{"GET /endpoint?endpointType=iot:CredentialProvider", "", "", ""},
		{"GET /endpoint?endpointType=iot:Coffee", "", wrong, ""},
		{"GET /event-configurations", "", "", `{"eventConfigurations":{"THING":{"Enabled":false},"CA_CERTIFICATE":{"Enabled":false}},"creationDate":"absent"}`},
		{"PATCH /event-configurations", `{"eventConfigurations":{"THING":{"Enabled":true},"JOB":{"Enabled":true}}}`, "", ""},
		{"PATCH /event-configurations", `{"eventConfigurations":{"JOB":{"Enabled":false}}}`, "", ""},
		{"PATCH /event-configurations", `{"eventConfigurations":{"THING":{"Enabled":false},"TEA":{"Enabled":true}}}`, wrong, ""},
		{"GET /event-configurations", "", "", `{"eventConfigurations":{"THING":{"Enabled":true},"JOB":{"Enabled":false}}}`},
	})
	a := ask(t, s.Handler(), "GET", "/event-configurations", "")
	require.Len(t, a.body["eventConfigurations"], 11)
	require.Contains(t, a.body, "creationDate")
	require.Contains(t, a.body, "lastModifiedDate")
}

// Pages of one item hold everything once, and the last one has no token.
func TestPaging(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.step(t, step{do: "POST /indexing/config", body: `{"thingIndexingConfiguration":{"thingIndexingMode":"REGISTRY"},"thingGroupIndexingConfiguration":{"thingGroupIndexingMode":"ON"}}`})
	for _, name := range []string{"c", "a", "b"} {
		for _, do := range []string{"POST /things/", "POST /thing-types/", "POST /thing-groups/", "POST /billing-groups/"} {
			s.step(t, step{do: do + name})
		}
		s.step(t, step{do: "PUT /fleet-metric/" + name, body: `{"queryString":"*","aggregationType":{"name":"Cardinality"},"period":60,"aggregationField":"thingName"}`})
	}
	for _, name := range []string{"c", "a", "b"} {
		s.step(t, step{do: "PUT /thing-groups/addThingToThingGroup", body: `{"thingGroupName":"a","thingName":"` + name + `"}`})
		s.step(t, step{do: "PUT /billing-groups/addThingToBillingGroup", body: `{"billingGroupName":"a","thingName":"` + name + `"}`})
		s.step(t, step{do: "PUT /things/" + name + "/principals as p"})
		s.step(t, step{do: "PUT /things/a/principals as p/" + name})
		s.step(t, step{do: "PUT /thing-groups/addThingToThingGroup", body: `{"thingGroupName":"` + name + `","thingName":"a"}`})
	}
	for target, want := range map[string]struct{ list, member, all string }{
		"/things":                       {"things", "thingName", "a b c"},
		"/thing-types":                  {"thingTypes", "thingTypeName", "a b c"},
		"/thing-groups":                 {"thingGroups", "groupName", "a b c"},
		"/billing-groups":               {"billingGroups", "groupName", "a b c"},
		"/fleet-metrics":                {"fleetMetrics", "metricName", "a b c"},
		"/thing-groups/a/things":        {"things", "", "a b c"},
		"/billing-groups/a/things":      {"things", "", "a b c"},
		"/things/a/thing-groups":        {"thingGroups", "groupName", "a b c"},
		"/things/a/principals":          {"principals", "", "p p/a p/b p/c"},
		"/things/a/principals-v2":       {"thingPrincipalObjects", "principal", "p p/a p/b p/c"},
		"/principals/things as p":       {"things", "", "a b c"},
		"/principals/things-v2 as p":    {"principalThingObjects", "thingName", "a b c"},
		"/indices":                      {"indexNames", "", "AWS_ThingGroups AWS_Things"},
		"POST /indices/search":          {"things", "thingName", "a b c"},
		"POST /indices/search of group": {"thingGroups", "thingGroupName", "a b c"},
	} {
		var got []string
		token := ""
		for pages := 0; ; pages++ {
			require.Less(t, pages, 5, target)
			var a answer
			if strings.HasPrefix(target, "POST ") {
				body := `{"queryString":"*","maxResults":1`
				if strings.HasSuffix(target, "group") {
					body += `,"indexName":"AWS_ThingGroups"`
				}
				if token != "" {
					body += `,"nextToken":"` + token + `"`
				}
				a = s.step(t, step{do: "POST /indices/search", body: body + "}"})
			} else {
				path, principal, _ := strings.Cut(target, " as ")
				path += "?maxResults=1"
				if token != "" {
					path += "&nextToken=" + token
				}
				a = ask(t, s.Handler(), "GET", path, "", "x-amzn-principal", principal)
				require.Equal(t, 200, a.status, a.text)
			}
			list := a.body[want.list].([]any)
			require.Len(t, list, 1, a.text)
			item := list[0]
			if want.member != "" {
				item = item.(map[string]any)[want.member]
			}
			got = append(got, fmt.Sprint(item))
			next, more := a.body["nextToken"]
			if !more {
				break
			}
			token = next.(string)
			require.NotEmpty(t, token)
		}
		require.Equal(t, want.all, strings.Join(got, " "), target)
	}
}
