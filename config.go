package thinghub

import (
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
)

// Config configures a [Hub]. The zero value works, keeps everything in memory and
// denies everybody. New copies it and validates it once; errors name the field.
//
// It is the configuration of the gateway (package broker): every limit, with its
// default, is documented there.
type Config = broker.Config

// The names of the hub's seams.
type (
	// Broker moves messages between hubs.
	Broker = broker.Broker
	// Authenticator says who somebody is.
	Authenticator = auth.Authenticator
	// Authorizer says what somebody may do.
	Authorizer = auth.Authorizer
	// Message is one application message.
	Message = broker.Message
)
