package sts_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/auth/sts"
)

// The backend of a customer takes the role that is meant for it, and no more than it needs
// for now.
func Example() {
	ctx := context.Background()
	r, err := roles.New(roles.Config{})
	if err != nil {
		panic(err)
	}
	role, err := r.CreateRole(ctx, roles.NewRole{Name: "customer-1", TrustPolicy: `{"Version": "2012-10-17", "Statement": {
		"Effect": "Allow", "Action": "sts:AssumeRole",
		"Principal": {"AWS": "arn:aws:iam::000000000000:user/service"},
		"Condition": {"StringEquals": {"sts:ExternalId": "8f1c"}}}}`})
	if err != nil {
		panic(err)
	}
	s, err := sts.New(sts.Config{Roles: r})
	if err != nil {
		panic(err)
	}
	service := &auth.Identity{Kind: auth.IAM, Principal: "arn:aws:iam::000000000000:user/service"}
	taken, err := s.AssumeRole(ctx, service, sts.Request{
		Role: role.ARN, Session: "report",
		Policy: `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iot:GetThingShadow", "Resource": "*"}}`,
	}, "8f1c")
	if err != nil {
		panic(err)
	}
	fmt.Println(taken.ARN)
	_, err = s.AssumeRole(ctx, service, sts.Request{Role: role.ARN, Session: "report"}, "of-another-customer")
	fmt.Println(errors.Is(err, sts.ErrDenied)) // and err says why, for the host
	// Output:
	// arn:aws:sts::000000000000:assumed-role/customer-1/report
	// true
}
