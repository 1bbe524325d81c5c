package userpool_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/userpool"
)

// Somebody signs up, confirms an address, signs in, and the host proves the token.
func Example() {
	ctx, mail := context.Background(), &userpool.Outbox{} // a real Sender sends
	pool := userpool.CreateUserPoolInput{PoolName: "people", AliasAttributes: []string{"email"}}
	pool.AutoVerifiedAttributes = []string{"email"}
	s, err := userpool.New(userpool.Config{
		Directory: auth.NewMemory(), Sender: mail,
		Pools: []userpool.Definition{{ID: "local_People1", Pool: pool, Clients: []userpool.ClientDefinition{{
			ID: "app", Client: userpool.CreateUserPoolClientInput{ClientSettings: userpool.ClientSettings{
				ClientName: "app", ExplicitAuthFlows: []string{"ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"},
			}},
		}}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	up, err := s.SignUp(ctx, userpool.SignUpInput{
		ClientID: "app", Username: "anna", Password: "Correct-horse-1", UserAttributes: []userpool.Attribute{{Name: "email", Value: "anna@example.com"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("a code went to", up.CodeDeliveryDetails.Destination)
	m, _ := mail.Last("anna@example.com")
	if _, err := s.ConfirmSignUp(ctx, userpool.ConfirmSignUpInput{ClientID: "app", Username: "anna", ConfirmationCode: m.Code}); err != nil {
		log.Fatal(err)
	}
	in, err := s.InitiateAuth(ctx, userpool.InitiateAuthInput{
		ClientID: "app", AuthFlow: "USER_PASSWORD_AUTH", AuthParameters: map[string]string{"USERNAME": "anna@example.com", "PASSWORD": "Correct-horse-1"},
	})
	if err != nil {
		log.Fatal(err)
	}
	token, err := s.Pool("local_People1").Verify(ctx, in.AuthenticationResult.IDToken)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Issuer, token.Claims["cognito:username"], token.Claims["email_verified"])
	// Output:
	// a code went to a***@e***
	// https://cognito-idp.local.amazonaws.com/local_People1 anna true
}

// A hook adds the tenant of a user to its tokens.
func ExampleHooks() {
	ctx := context.Background()
	s, err := userpool.New(userpool.Config{
		Directory: auth.NewMemory(),
		Hooks: userpool.Hooks{PreToken: func(_ context.Context, e *userpool.TokenEvent) error {
			e.IDClaims = map[string]any{"tenant": "north"}
			return nil
		}},
		Pools: []userpool.Definition{{ID: "local_People1", Pool: userpool.CreateUserPoolInput{PoolName: "people"}, Clients: []userpool.ClientDefinition{{
			ID: "server", Client: userpool.CreateUserPoolClientInput{ClientSettings: userpool.ClientSettings{
				ClientName: "server", ExplicitAuthFlows: []string{"ALLOW_ADMIN_USER_PASSWORD_AUTH"},
			}},
		}}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := s.AdminCreateUser(ctx, userpool.AdminCreateUserInput{UserPoolID: "local_People1", Username: "ben", MessageAction: "SUPPRESS"}); err != nil {
		log.Fatal(err)
	}
	if _, err := s.AdminSetUserPassword(ctx, userpool.AdminSetUserPasswordInput{UserPoolID: "local_People1", Username: "ben", Password: "Correct-horse-1", Permanent: true}); err != nil {
		log.Fatal(err)
	}
	out, err := s.AdminInitiateAuth(ctx, userpool.AdminInitiateAuthInput{UserPoolID: "local_People1", InitiateAuthInput: userpool.InitiateAuthInput{
		ClientID: "server", AuthFlow: "ADMIN_USER_PASSWORD_AUTH", AuthParameters: map[string]string{"USERNAME": "ben", "PASSWORD": "Correct-horse-1"},
	}})
	if err != nil {
		log.Fatal(err)
	}
	token, err := s.Pool("local_People1").Verify(ctx, out.AuthenticationResult.IDToken)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Claims["tenant"])
	// Output: north
}

// SDKs reach the pools over HTTP; the operations of administrators ask the host first.
func ExampleService_Handler() {
	s, err := userpool.New(userpool.Config{
		Directory: auth.NewMemory(), Issuer: "https://hub.example/pools",
		Authorize: func(_ context.Context, _ *http.Request, _ []byte, action auth.Action, resource string) (*auth.Identity, error) {
			return nil, &auth.Denied{Action: action, Resource: resource, Reason: "the office is closed"}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/pools/", http.StripPrefix("/pools", s.Handler()))
	fmt.Println(s.IssuerOf("local_People1"))
	// Output: https://hub.example/pools/local_People1
}
