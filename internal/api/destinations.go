package api

import (
	"encoding/json"
	"net/http"

	"github.com/thinghub/thinghub/rules"
)

var destinationOperations = []operation{
	{name: "CreateTopicRuleDestination", method: http.MethodPost, path: "/destinations", errors: ofRules("ConflictingResourceUpdate", "ResourceAlreadyExists"), handle: createDestination, on: newDestination},
	{name: "GetTopicRuleDestination", method: http.MethodGet, path: "/destinations/{arn...}", errors: ofRules(), handle: getDestination, on: theDestination},
	{name: "ListTopicRuleDestinations", method: http.MethodGet, path: "/destinations", errors: ofRules(), handle: listDestinations},
	{name: "UpdateTopicRuleDestination", method: http.MethodPatch, path: "/destinations", errors: ofRules("ConflictingResourceUpdate"), handle: updateDestination, on: ofBody[destinationUpdate]},
	{name: "DeleteTopicRuleDestination", method: http.MethodDelete, path: "/destinations/{arn...}", errors: ofRules("ConflictingResourceUpdate"), handle: deleteDestination, on: theDestination},
	{name: "ConfirmTopicRuleDestination", method: http.MethodGet, path: "/confirmdestination/{confirmationToken...}", errors: ofRules("ConflictingResourceUpdate"), handle: confirmDestination, open: true},
}

// newDestination is one whose name the hub chooses.
func newDestination(*call) []string { return []string{"ruledestination/http/*"} }

func theDestination(c *call) []string { return []string{whole(c.path("arn"))} }

type destinationUpdate struct {
	ARN    string `json:"arn"`
	Status string `json:"status"`
}

func (b destinationUpdate) resources() []string { return arns(b.ARN) }

type urlProperties struct {
	URL string `json:"confirmationUrl"`
}

// A destinationBody is a destination in an answer; in a list the URL has another name.
type destinationBody struct {
	ARN     string         `json:"arn"`
	Status  string         `json:"status"`
	Created *json.Number   `json:"createdAt"`
	Updated *json.Number   `json:"lastUpdatedAt"`
	Reason  string         `json:"statusReason,omitempty"`
	HTTP    *urlProperties `json:"httpUrlProperties,omitempty"`
	Summary *urlProperties `json:"httpUrlSummary,omitempty"`
}

func destination(d rules.Destination) destinationBody {
	return destinationBody{ARN: d.ARN, Status: string(d.Status), Created: seconds(d.Created), Updated: seconds(d.Updated), Reason: d.Reason}
}

// oneDestination answers with a destination.
func (c *call) oneDestination(d rules.Destination) error {
	b := destination(d)
	b.HTTP = &urlProperties{d.URL}
	return c.answer.json(map[string]any{"topicRuleDestination": b})
}

func createDestination(c *call) error {
	in, err := input[struct {
		Configuration *struct {
			HTTP *urlProperties  `json:"httpUrlConfiguration"`
			VPC  *map[string]any `json:"vpcConfiguration"`
		} `json:"destinationConfiguration"`
	}](c)
	if err != nil {
		return err
	}
	switch {
	case in.Configuration == nil:
		return required("destinationConfiguration", "")
	case in.Configuration.VPC != nil:
		return badBody("destinationConfiguration.vpcConfiguration is not possible here: the hub reaches what its program reaches, expected httpUrlConfiguration")
	case in.Configuration.HTTP == nil:
		return required("destinationConfiguration.httpUrlConfiguration", "")
	}
	d, err := c.cfg.Rules.CreateDestination(c.r.Context(), in.Configuration.HTTP.URL)
	if err != nil {
		return err
	}
	return c.oneDestination(d)
}

func getDestination(c *call) error {
	d, err := c.cfg.Rules.GetDestination(c.r.Context(), c.path("arn"))
	if err != nil {
		return err
	}
	return c.oneDestination(d)
}

func listDestinations(c *call) error {
	size, after, err := c.namesPage()
	if err != nil {
		return err
	}
	out := struct {
		List []destinationBody `json:"destinationSummaries"`
		Next string            `json:"nextToken,omitempty"`
	}{List: []destinationBody{}}
	for d, err := range c.cfg.Rules.Destinations(c.r.Context()) {
		switch {
		case err != nil:
			return err
		case d.ARN <= after:
		case len(out.List) == size:
			out.Next = nameToken(out.List[size-1].ARN)
			return c.answer.json(out)
		default:
			b := destination(d)
			b.Summary = &urlProperties{d.URL}
			out.List = append(out.List, b)
		}
	}
	return c.answer.json(out)
}

func updateDestination(c *call) error {
	in, err := input[destinationUpdate](c)
	if err == nil {
		err = required("arn", in.ARN)
	}
	if err == nil {
		err = required("status", in.Status)
	}
	if err != nil {
		return err
	}
	if _, err := c.cfg.Rules.UpdateDestination(c.r.Context(), in.ARN, rules.DestinationStatus(in.Status)); err != nil {
		return err
	}
	return c.empty()
}

func deleteDestination(c *call) error {
	if err := c.cfg.Rules.DeleteDestination(c.r.Context(), c.path("arn")); err != nil {
		return err
	}
	return c.empty()
}

// confirmDestination is open: a web service that opens the enableUrl it was sent signs
// nothing. Its token is what proves who it is.
func confirmDestination(c *call) error {
	if _, err := c.cfg.Rules.ConfirmDestination(c.r.Context(), c.path("confirmationToken")); err != nil {
		return err
	}
	return c.empty()
}
