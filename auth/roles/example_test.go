package roles_test

import (
	"context"
	"fmt"
	"time"

	"github.com/thinghub/thinghub/auth/roles"
)

// A host gives a technician an hour with the rights of a role.
func Example() {
	s, err := roles.New(roles.Config{})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	c, err := s.Issue(ctx, roles.Grant{Role: s.RoleARN("technician"), Session: "anna", Duration: time.Hour})
	if err != nil {
		panic(err)
	}
	key, err := s.Lookup(ctx, c.AccessKeyID, c.SessionToken)
	if err != nil {
		panic(err)
	}
	fmt.Println(key.Identity.Principal)
	// Output: arn:aws:sts::000000000000:assumed-role/technician/anna
}
