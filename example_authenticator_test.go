package thinghub_test

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
)

// userTable is an Authenticator over the host's own users. A real one would ask a
// database (it may wait: ctx ends with the connection) and compare slow hashes.
type userTable map[string][sha256.Size]byte

func (u userTable) Authenticate(_ context.Context, c *auth.Credentials) (*auth.Identity, error) {
	want, known := u[c.Username]
	got := sha256.Sum256(c.Password)
	if !known || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return nil, auth.ErrBadCredentials
	}
	return &auth.Identity{Principal: c.Username}, nil
}

// Who may connect is the Authenticator's decision, what they may do the
// Authorizer's. The host can bring either.
func Example_authenticator() {
	ctx := context.Background()
	hub, err := thinghub.New(thinghub.Config{
		Authenticator: userTable{"alice": sha256.Sum256([]byte("alice-pw"))},
		Authorizer:    auth.InsecureAllowAll{}, // known users may do everything
	})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()

	for _, password := range []string{"guess", "alice-pw"} {
		conn, err := hub.Dial(ctx)
		if err != nil {
			log.Fatal(err)
		}
		c := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(conn)})
		ack, err := c.Connect(ctx, &paho.Connect{
			ClientID: "laptop", CleanStart: true, KeepAlive: 30,
			Username: "alice", UsernameFlag: true, Password: []byte(password), PasswordFlag: true,
		})
		if err != nil {
			fmt.Printf("refused with reason 0x%X\n", ack.ReasonCode)
			continue
		}
		fmt.Println("welcome,", hub.Clients()[0].Principal)
		_ = c.Disconnect(&paho.Disconnect{})
	}

	// Output:
	// refused with reason 0x86
	// welcome, alice
}
