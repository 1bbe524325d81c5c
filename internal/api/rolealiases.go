package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/thinghub/thinghub/auth/roles"
)

var aliasOperations = []operation{
	{name: "CreateRoleAlias", method: http.MethodPost, path: "/role-aliases/{roleAlias}", errors: usual("LimitExceeded", "ResourceAlreadyExists"), handle: createAlias, roles: passed("roleArn")},
	{name: "DescribeRoleAlias", method: http.MethodGet, path: "/role-aliases/{roleAlias}", errors: usual("ResourceNotFound"), handle: describeAlias},
	{name: "UpdateRoleAlias", method: http.MethodPut, path: "/role-aliases/{roleAlias}", errors: usual("ResourceNotFound"), handle: updateAlias, roles: passed("roleArn")},
	{name: "DeleteRoleAlias", method: http.MethodDelete, path: "/role-aliases/{roleAlias}", errors: usual("DeleteConflict", "ResourceNotFound"), handle: deleteAlias},
	{name: "ListRoleAliases", method: http.MethodGet, path: "/role-aliases", errors: usual(), handle: listAliases},
}

type aliasBody struct {
	Role    string `json:"roleArn"`
	Seconds *int64 `json:"credentialDurationSeconds"`
	Tags    []tag  `json:"tags"`
}

// duration is 0 if it is absent.
func (b *aliasBody) duration() (time.Duration, error) {
	if b.Seconds == nil {
		return 0, nil
	}
	const low, high = int64(roles.ShortestDuration / time.Second), int64(roles.LongestDuration / time.Second)
	if n := *b.Seconds; n < low || n > high { // before it is multiplied
		return 0, invalid("credentialDurationSeconds", strconv.FormatInt(n, 10), "a number from 900 to 43200")
	}
	return time.Duration(*b.Seconds) * time.Second, nil
}

type aliasRef struct {
	Name string `json:"roleAlias"`
	ARN  string `json:"roleAliasArn"`
}

func createAlias(c *call) error {
	in, err := input[aliasBody](c)
	if err == nil {
		err = required("roleArn", in.Role)
	}
	if err != nil {
		return err
	}
	d, err := in.duration()
	if err != nil {
		return err
	}
	tags, err := c.newTags(in.Tags)
	if err != nil {
		return err
	}
	a, err := c.cfg.Roles.CreateRoleAlias(c.r.Context(), c.path("roleAlias"), in.Role, d)
	if err != nil {
		return err
	}
	err = c.tagNew(a.ARN, tags, func(ctx context.Context) error { return c.cfg.Roles.DeleteRoleAlias(ctx, a.Name) })
	if err != nil {
		return err
	}
	return c.answer.json(aliasRef{a.Name, a.ARN})
}

func describeAlias(c *call) error {
	a, err := c.cfg.Roles.DescribeRoleAlias(c.r.Context(), c.path("roleAlias"))
	if err != nil {
		return err
	}
	type description struct {
		Name     string       `json:"roleAlias"`
		ARN      string       `json:"roleAliasArn"`
		Role     string       `json:"roleArn"`
		Owner    string       `json:"owner"`
		Seconds  int64        `json:"credentialDurationSeconds"`
		Created  *json.Number `json:"creationDate"`
		Modified *json.Number `json:"lastModifiedDate"`
	}
	return c.answer.json(map[string]description{"roleAliasDescription": {
		a.Name, a.ARN, a.Role, c.cfg.Scope.Account, int64(a.Duration / time.Second), seconds(a.Created), seconds(a.Modified),
	}})
}

func updateAlias(c *call) error {
	in, err := input[aliasBody](c)
	if err != nil {
		return err
	}
	d, err := in.duration()
	if err != nil {
		return err
	}
	a, err := c.cfg.Roles.UpdateRoleAlias(c.r.Context(), c.path("roleAlias"), in.Role, d)
	if err != nil {
		return err
	}
	return c.answer.json(aliasRef{a.Name, a.ARN})
}

func deleteAlias(c *call) error {
	name := c.path("roleAlias")
	return c.untagAfter(c.cfg.Roles.DeleteRoleAlias(c.r.Context(), name), roles.ErrNotFound, c.cfg.Roles.AliasARN(name))
}

func listAliases(c *call) error {
	ascending, err := c.queryBool("isAscendingOrder")
	if err != nil {
		return err
	}
	n, err := c.queryInt("pageSize", 0, 1, 250)
	if err != nil {
		return err
	}
	names, next, err := c.cfg.Roles.ListRoleAliases(c.r.Context(), roles.Page{Size: n, Marker: c.query.Get("marker"), Descending: !ascending})
	if err != nil {
		return err
	}
	return c.answer.json(struct {
		Names []string `json:"roleAliases"`
		Next  string   `json:"nextMarker,omitempty"`
	}{some(names), next})
}
