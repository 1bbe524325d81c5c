package auth_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/thinghub/thinghub/auth"
)

// badges lets in who shows a badge as password of the user "badge".
type badges map[string]string

func (b badges) Authenticate(_ context.Context, c *auth.Credentials) (*auth.Identity, error) {
	if c.Username != "badge" {
		return nil, auth.ErrUnrecognised // the next one may know
	}
	name, ok := b[string(c.Password)]
	if !ok {
		return nil, auth.ErrBadCredentials // nobody else is asked
	}
	return &auth.Identity{Principal: name}, nil
}

// The first authenticator that recognises credentials decides.
func ExampleChain() {
	chain := auth.Chain(badges{"1234": "alice"}, auth.InsecureAllowAll{})
	for _, c := range []auth.Credentials{
		{Username: "badge", Password: []byte("1234")},
		{Username: "badge", Password: []byte("9999")},
		{Username: "bob"},
	} {
		id, err := chain.Authenticate(context.Background(), &c)
		if err != nil {
			fmt.Println(errors.Is(err, auth.ErrBadCredentials))
			continue
		}
		fmt.Println(id.Principal)
	}
	// Output:
	// alice
	// true
	// bob
}
