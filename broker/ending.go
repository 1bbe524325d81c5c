package broker

import (
	"errors"
	"fmt"
)

// Ending says what ended a connection; see [EndingOf]. In brackets is what AWS IoT
// calls it in its presence events (disconnectReason).
type Ending uint8

// The endings.
const (
	// EndedByClient: DISCONNECT, whatever its reason code (CLIENT_INITIATED_DISCONNECT).
	EndedByClient Ending = iota
	// EndedByFault: the client broke the protocol or a limit it knew (CLIENT_ERROR).
	EndedByFault
	// EndedByLoss: the transport ended without DISCONNECT (CONNECTION_LOST).
	EndedByLoss
	// EndedByTakeOver: another connection uses the client id (DUPLICATE_CLIENTID).
	EndedByTakeOver
	// EndedByKeepAlive: nothing came for 1.5 times the keep alive
	// (MQTT_KEEP_ALIVE_TIMEOUT).
	EndedByKeepAlive
	// EndedByExpiry: the identity expired (CUSTOMAUTH_TTL_EXPIRATION,
	// WEBSOCKET_TTL_EXPIRATION).
	EndedByExpiry
	// EndedByReauthentication: the client could not prove itself again (AUTH_ERROR).
	EndedByReauthentication
	// EndedByDenial: the client did what it may not, and Config.CloseOnDenied is set
	// (FORBIDDEN_ACCESS).
	EndedByDenial
	// EndedByQuota: a bound of the server was reached (THROTTLED).
	EndedByQuota
	// EndedByServerError: a router, a store or the server failed (SERVER_ERROR).
	EndedByServerError
	// EndedByShutdown: Shutdown or Close (SERVER_INITIATED_DISCONNECT).
	EndedByShutdown
	// EndedByHost: Server.Disconnect (API_INITIATED_DISCONNECT, or
	// SERVER_INITIATED_DISCONNECT where the host acts for itself).
	EndedByHost
	endings
)

var endingNames = [endings]string{
	"client", "fault", "loss", "take-over", "keep alive", "expiry", "re-authentication", "denial", "quota", "server error", "shutdown", "host",
}

// String returns a short name, such as "take-over".
func (e Ending) String() string {
	if e < endings {
		return endingNames[e]
	}
	return "unknown"
}

// EndingOf tells what ended a connection from the cause its [HookDisconnected] was
// given. The sentinels [ErrClientDisconnected], [ErrConnectionLost],
// [ErrDisconnected] and [ErrReauthentication] decide where the cause wraps one of
// them, its reason code ([ReasonOf]) does otherwise.
func EndingOf(cause error) Ending {
	switch {
	case cause == nil, errors.Is(cause, ErrClientDisconnected):
		return EndedByClient
	case errors.Is(cause, ErrDisconnected):
		return EndedByHost
	case errors.Is(cause, ErrConnectionLost):
		return EndedByLoss
	case errors.Is(cause, ErrReauthentication):
		return EndedByReauthentication
	}
	switch ReasonOf(cause) {
	case SessionTakenOver:
		return EndedByTakeOver
	case KeepAliveTimeout:
		return EndedByKeepAlive
	case MaximumConnectTime:
		return EndedByExpiry
	case NotAuthorized:
		return EndedByDenial
	case QuotaExceeded:
		return EndedByQuota
	case ServerShuttingDown:
		return EndedByShutdown
	case MalformedPacket, ProtocolError, TopicFilterInvalid, TopicNameInvalid, ReceiveMaximumExceeded, TopicAliasInvalid, PacketTooLarge,
		RetainNotSupported, QoSNotSupported, SubscriptionIDsNotSupported:
		return EndedByFault
	default:
		return EndedByServerError
	}
}

// lost is the cause of a connection whose transport ended; err is what the driver
// knows about it.
func (s *Server) lost(err error) error {
	switch {
	case s.closing.Load():
		return refuse(ServerShuttingDown, "the server was closed")
	case err == nil:
		return ErrConnectionLost
	default:
		return fmt.Errorf("%w: %w", ErrConnectionLost, err)
	}
}
