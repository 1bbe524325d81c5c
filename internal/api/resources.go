package api

import (
	"bytes"
	"encoding/json"
	"strings"
)

// params are the path parameters that name a resource, with the type of the resource.
var params = []struct{ param, kind string }{
	{"thingName", "thing/"},
	{"thingTypeName", "thingtype/"},
	{"thingGroupName", "thinggroup/"},
	{"billingGroupName", "billinggroup/"},
	{"indexName", "index/"},
	{"metricName", "fleetmetric/"},
	{"ruleName", "rule/"},
	{"policyName", "policy/"},
	{"certificateId", "cert/"},
	{"caCertificateId", "cacert/"},
	{"roleAlias", "rolealias/"},
	{"authorizerName", "authorizer/"},
	{"templateName", "provisioningtemplate/"},
}

// resource is what a policy names: the resource's part of its ARN.
func (c *call) resource() string {
	for _, k := range params {
		v := c.path(k.param)
		if k.kind == "cert/" || k.kind == "cacert/" {
			v = strings.ToLower(v) // as the room does: no other spelling evades a policy
		}
		if v != "" {
			return k.kind + v
		}
	}
	return "*"
}

// whole is a resource that is named by its ARN, "*" if it is not.
func whole(resource string) string {
	if strings.HasPrefix(resource, "arn:") {
		return resource
	}
	return "*"
}

// named are resources of a type, without those that have no name.
func named(kind string, names ...string) (all []string) {
	for _, n := range names {
		if n != "" {
			all = append(all, kind+n)
		}
	}
	return all
}

// arns are resources by their ARNs, likewise.
func arns(names ...string) (all []string) {
	for _, n := range names {
		if n != "" {
			all = append(all, whole(n))
		}
	}
	return all
}

// A naming body names resources. Whoever evades a policy by what it does not name gets
// nowhere: the operation refuses it.
type naming interface{ resources() []string }

// ofBody are the resources that the body names. What is wrong with it the operation tells.
func ofBody[T naming](c *call) []string {
	in, _ := input[T](c)
	if all := in.resources(); len(all) > 0 {
		return all
	}
	return []string{"*"}
}

// withBody are those of the path and of the body.
func withBody[T naming](c *call) []string {
	in, _ := input[T](c)
	return append([]string{c.resource()}, in.resources()...)
}

// anything is for operations that AWS has no resource for.
func anything(*call) []string { return []string{"*"} }

// passed are the roles that members of a name, at any depth of the body, give to the hub.
// It takes what encoding/json would take for one of that name, and all of them.
func passed(member string) func(c *call) []string {
	return func(c *call) (roles []string) {
		body, _ := c.read() // an error is told by the operation
		dec := json.NewDecoder(bytes.NewReader(body))
		var open []bool // whether the objects and arrays around are objects
		name, isName := "", false
		for {
			token, err := dec.Token()
			if err != nil {
				return roles
			}
			inObject := len(open) > 0 && open[len(open)-1]
			switch v := token.(type) {
			case json.Delim:
				if v == '{' || v == '[' {
					open = append(open, v == '{')
					isName = v == '{'
					continue
				}
				open = open[:len(open)-1]
				inObject = len(open) > 0 && open[len(open)-1]
			case string:
				if inObject && isName {
					name, isName = v, false
					continue
				}
				if inObject && strings.EqualFold(name, member) && v != "" {
					roles = append(roles, whole(v))
				}
			}
			isName = inObject
		}
	}
}
