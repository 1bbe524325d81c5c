package users_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/users"
)

func Example() {
	ctx := context.Background()
	service, err := users.New(users.Config{
		Directory: auth.NewMemory(),
		Changed:   func(name string) { fmt.Println("end the connections of", name) },
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := service.Create(ctx, users.NewUser{Name: "pump-1", Password: "correct horse"}); err != nil {
		log.Fatal(err)
	}

	// What the hub asks when a client connects.
	login := func(password string) {
		id, err := service.Authenticate(ctx, &auth.Credentials{
			Username: "pump-1?SDK=Python&Version=1.4.9", HasUsername: true, Password: []byte(password),
		})
		if errors.Is(err, auth.ErrBadCredentials) {
			fmt.Println("refused")
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("welcome,", id.Principal, id.ARN)
	}
	login("correct horse")
	if err := service.SetPassword(ctx, "pump-1", "battery staple"); err != nil {
		log.Fatal(err)
	}
	login("correct horse")
	login("battery staple")
	// Output:
	// welcome, pump-1 arn:aws:iot:local:000000000000:user/pump-1
	// end the connections of pump-1
	// refused
	// welcome, pump-1 arn:aws:iot:local:000000000000:user/pump-1
}
