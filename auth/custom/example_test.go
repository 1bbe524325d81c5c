package custom_test

import (
	"context"
	"fmt"
	"log"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/custom"
)

// An authorizer whose function is Go code of the host: it knows one user and gives it a
// policy for its own topics.
func Example() {
	ctx := context.Background()
	login := func(_ context.Context, r *custom.Request) (*custom.Response, error) {
		m := r.ProtocolData.MQTT
		if m == nil || string(m.Password) != "open sesame" {
			return &custom.Response{IsAuthenticated: false}, nil
		}
		return &custom.Response{
			IsAuthenticated: true, PrincipalID: "alice", DisconnectAfterInSeconds: 86400, RefreshAfterInSeconds: 3600,
			PolicyDocuments: []custom.Document{`{"Version":"2012-10-17","Statement":[
				{"Effect":"Allow","Action":"iot:Connect","Resource":"*"},
				{"Effect":"Allow","Action":"iot:Publish","Resource":"arn:aws:iot:*:*:topic/alice/*"}]}`},
		}, nil
	}
	service, err := custom.New(custom.Config{
		Directory: auth.NewMemory(),
		Functions: map[string]custom.Function{"login": custom.Func(login)},
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = service.CreateAuthorizer(ctx, custom.NewAuthorizer{
		Name: "corp", FunctionARN: "login", SigningDisabled: true, Status: custom.Active,
	})
	if err != nil {
		log.Fatal(err)
	}

	// What the hub asks when a client connects.
	for _, password := range []string{"guess", "open sesame"} {
		id, err := service.Authenticate(ctx, &auth.Credentials{
			Username: "alice?x-amz-customauthorizer-name=corp", HasUsername: true, Password: []byte(password), ProtocolVersion: 5,
		})
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(id.Kind, id.Principal, len(id.Grant.Policies), id.Grant.Every)
	}
	// Output:
	// auth: not authorized: the authorizer "corp" says so
	// custom alice 1 1h0m0s
}
