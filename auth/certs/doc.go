// Package certs keeps X.509 certificates of clients and says who has one.
//
// A [Service] is an [auth.Authenticator]: a client that presents a certificate in the
// TLS handshake is known by the certificate's id, the SHA-256 of its DER form. A
// certificate is good because it is registered and ACTIVE, not because of who signed it;
// names within it are nobody's identity.
//
//	service, err := certs.New(certs.Config{Directory: directory, Changed: disconnect})
//	server, err := service.IssueServer("iot.example.org", "192.0.2.1")
//	listener, err := tls.Listen("tcp", ":8883", service.TLSConfig(&tls.Config{Certificates: []tls.Certificate{server}}))
//	hub, err := thinghub.New(thinghub.Config{Authenticator: service, ...})
//
// # Where certificates come from
//
// The hub makes them ([Service.CreateKeysAndCertificate],
// [Service.CreateCertificateFromCsr]) and signs them with its CA, whose certificate
// clients need to know the server ([Service.CAPEM]). Or somebody else has made them:
// then they are registered one by one ([Service.RegisterCertificateWithoutCA]), or
// together with their CA: who proves to have the key of the CA registers it
// ([Service.GetRegistrationCode], [Service.RegisterCACertificate]), and after that its
// certificates ([Service.RegisterCertificate]), or has the hub register them when they
// are first used.
//
// # Just-in-time registration
//
// If the CA is active and has auto registration, the first CONNECT with one of its
// certificates registers it as PENDING_ACTIVATION, is refused, and makes the event
// $aws/events/certificates/registered/CA, so that a rule or a hook can activate it. That
// repeats until it is activated. A CA with a provisioning template has Config.Provision
// called, too.
//
// # Server names
//
// A CA can be registered without a proof that its key is one's own, and a certificate
// without its CA. The mode of such certificates is SNI_ONLY, because with AWS IoT the name
// of the server (SNI) says whose they are. Here there is one account, and names matter as
// soon as Config.ServerNames has some: everybody must ask for one of these then, or is
// refused in the handshake, when it is resumed too. With Config.OptionalServerName those
// whose certificate is not SNI_ONLY may also send none, which is what clients do that
// connect by an IP address. What the host itself answers for (Vouched of [RegisterCAInput]
// and [RegisterInput]) is DEFAULT.
//
// # Statuses
//
//	from \ to           ACTIVE  INACTIVE  REVOKED  offered  deleted
//	ACTIVE              -       yes       yes      no       no
//	INACTIVE            yes     -         yes      yes      yes
//	REVOKED             no      no        -        no       yes
//	PENDING_ACTIVATION  yes     yes       yes      no       yes
//	PENDING_TRANSFER    no      no        no       no       no
//
// Each "no" is an [ErrState]. An offer ([Service.TransferCertificate]) makes a
// certificate PENDING_TRANSFER until it is accepted, rejected or cancelled; then it is
// INACTIVE, or ACTIVE if it was accepted so. A CRL ([Service.LoadCRL]) revokes a
// certificate whatever its status.
//
// # How soon
//
// A change of a status counts for every handshake and every CONNECT that begins after
// the call has returned, for resumed TLS sessions too. Config.Changed ends connections
// that are there. Between the two nothing slips through: the identity has a Check that
// the hub calls when the connection is among those it can end.
//
// A [Reloader] renews the certificate of the server, and a [Follower] CAs and CRLs, from
// files while clients are connected.
//
// Services that share a Directory see each other's changes with the next connection of a
// certificate; [Service.Refresh] makes it sooner.
package certs
