package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/identitypool"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/auth/userpool"
	"github.com/thinghub/thinghub/shadow"
)

const (
	region    = "local" // the hub's, unless Config.Region says otherwise
	thing     = "greenhouse"
	operators = "operators"
	demo      = "demo"

	userPool = region + "_Greenhouse"
	client   = "webapp"
	// provider is what an identity pool calls the user pool.
	provider = "cognito-idp." + region + ".amazonaws.com/" + userPool
)

// The policies. A connection of the page may do what both allow: the role that its
// credentials are for, and what is attached to its identity. The role is for all users of
// the app, and says what an app is for: MQTT, with client ids that begin with the own
// identity. What is attached says who may do what.
const (
	rolePolicy = `{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "iot:Connect", "Resource": "SCOPE:client/${cognito-identity.amazonaws.com:sub}-*"},
		{"Effect": "Allow", "Action": ["iot:Subscribe", "iot:Receive", "iot:Publish"], "Resource": "*"}]}`

	viewerPolicy = `{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "iot:Connect", "Resource": "SCOPE:client/${cognito-identity.amazonaws.com:sub}-*"},
		{"Effect": "Allow", "Action": "iot:Subscribe", "Resource": "SCOPE:topicfilter/$aws/things/` + thing + `/shadow/*"},
		{"Effect": "Allow", "Action": "iot:Receive", "Resource": "SCOPE:topic/$aws/things/` + thing + `/shadow/*"},
		{"Effect": "Allow", "Action": "iot:Publish", "Resource": "SCOPE:topic/$aws/things/` + thing + `/shadow/get"}]}`

	operatorPolicy = `{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "iot:Publish", "Resource": "SCOPE:topic/$aws/things/` + thing + `/shadow/update"}]}`

	// trustPolicy says who may take the role: those who have signed in, of this pool.
	trustPolicy = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
		"Principal": {"Federated": "cognito-identity.amazonaws.com"}, "Action": "sts:AssumeRoleWithWebIdentity",
		"Condition": {"StringEquals": {"cognito-identity.amazonaws.com:aud": "POOL"},
			"ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"}}}]}`
)

// options are what a test does differently.
type options struct {
	tick   time.Duration // of the device's clock
	renew  time.Duration // how long before its credentials end the page gets new ones
	hash   userpool.HashParams
	logger *slog.Logger
	say    func(format string, args ...any)
}

// An app is a hub with all that the page needs.
type app struct {
	options
	hub          *thinghub.Hub
	mail         userpool.Outbox
	identityPool string
	password     string // of the demo user

	deviceAddr string
	deviceTLS  *tls.Config
}

func newApp(ctx context.Context, o options) (a *app, err error) {
	a = &app{options: o, password: rand.Text()[:12]}
	a.mail.Sent = func(m userpool.Message) { a.say("A message to %s would say: %s", m.To, m.Text) }
	people := userpool.CreateUserPoolInput{PoolName: "people of the greenhouse"}
	people.Policies.PasswordPolicy.MinimumLength = 10
	people.AutoVerifiedAttributes = []string{"email"}
	people.Schema = []userpool.SchemaAttribute{{Name: "email", Required: true}}
	a.hub, err = thinghub.New(thinghub.Config{
		Logger: o.logger, RequireThings: true,
		UserPoolConfig: userpool.Config{
			// The page sends the password, so there is no need to keep what SRP needs.
			NoSRP: true, Hash: o.hash, Sender: &a.mail,
			Pools: []userpool.Definition{{ID: userPool, Pool: people, Clients: []userpool.ClientDefinition{{
				ID: client, Client: userpool.CreateUserPoolClientInput{ClientSettings: userpool.ClientSettings{
					ClientName: client, ExplicitAuthFlows: []string{"ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"},
				}},
			}}}},
		},
		// The device reports, everybody else says what is desired.
		ShadowConfig: shadow.Config{Hooks: []shadow.Hook{shadow.Restrict(
			shadow.Rule{Who: shadow.ItsDevice, Write: []shadow.Side{shadow.Reported}},
			shadow.Rule{Write: []shadow.Side{shadow.Desired}},
		)}},
	})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(a.preparePeople(ctx), a.prepareApp(ctx), a.prepareDevice(ctx)); err != nil {
		return nil, errors.Join(err, a.hub.Close())
	}
	return a, nil
}

// preparePeople makes the group of operators, and the demo user, who is one.
func (a *app) preparePeople(ctx context.Context) error {
	people := a.hub.UserPools()
	if _, err := people.CreateGroup(ctx, userpool.GroupInput{UserPoolID: userPool, GroupName: operators}); err != nil {
		return err
	}
	_, err := people.AdminCreateUser(ctx, userpool.AdminCreateUserInput{
		UserPoolID: userPool, Username: demo, MessageAction: "SUPPRESS",
		UserAttributes: []userpool.Attribute{{Name: "email", Value: "demo@example.com"}},
	})
	if err != nil {
		return err
	}
	_, err = people.AdminSetUserPassword(ctx, userpool.AdminSetUserPasswordInput{UserPoolID: userPool, Username: demo, Password: a.password, Permanent: true})
	if err != nil {
		return err
	}
	_, err = people.AdminAddUserToGroup(ctx, userpool.MemberInput{UserPoolID: userPool, Username: demo, GroupName: operators})
	return err
}

// prepareApp makes the identity pool, its role and the policies.
func (a *app) prepareApp(ctx context.Context) error {
	pool, err := a.hub.IdentityPools().CreateIdentityPool(ctx, identitypool.Pool{
		Name: client, UserPools: []identitypool.UserPool{{ProviderName: provider, ClientID: client}},
	})
	if err != nil {
		return err
	}
	a.identityPool = pool.ID
	role, err := a.hub.Roles().CreateRole(ctx, roles.NewRole{Name: client, TrustPolicy: strings.Replace(trustPolicy, "POOL", pool.ID, 1)})
	if err != nil {
		return err
	}
	if err := a.hub.IdentityPools().SetIdentityPoolRoles(ctx, pool.ID, identitypool.Roles{Roles: map[string]string{identitypool.Authenticated: role.ARN}}); err != nil {
		return err
	}
	scope := strings.TrimSuffix(a.hub.Registry().ThingARN(""), ":thing/")
	for name, document := range map[string]string{"role": rolePolicy, "viewer": viewerPolicy, "operator": operatorPolicy} {
		if _, err := a.hub.Policies().CreatePolicy(ctx, name, strings.ReplaceAll(document, "SCOPE", scope)); err != nil {
			return err
		}
	}
	return a.hub.Policies().AttachPolicy(ctx, "role", role.ARN)
}

// prepareDevice makes the thing and its certificate, and a listener for devices.
func (a *app) prepareDevice(ctx context.Context) error {
	made, err := a.hub.Provision(ctx, thing)
	if err != nil {
		return err
	}
	if a.deviceTLS, err = made.TLS(); err != nil {
		return err
	}
	server, err := a.hub.Certificates().IssueServer("127.0.0.1")
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	a.deviceAddr = ln.Addr().String()
	ln = tls.NewListener(ln, a.hub.Certificates().TLSConfig(&tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAnyClientCert}))
	go func() { _ = a.hub.Serve(ln) }() // ends with the hub
	return nil
}
