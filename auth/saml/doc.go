// Package saml proves assertions of SAML 2.0 identity providers, over
// github.com/crewjam/saml.
//
//	corp, err := saml.New(saml.Config{
//		MetadataURL: "https://idp.example.com/metadata", EntityID: "https://hub.example.com/saml",
//		ACSURL: "https://hub.example.com/saml/acs", Directory: directory,
//	})
//	token, err := corp.Verify(ctx, samlResponse)
//
// It is a module of its own, so that only those compile the library in who use it. The
// library checks and canonicalises XML signatures; nothing of that is done here.
//
// # Proof
//
// A [Provider] takes a response or an assertion in base64, as browsers post it. What must
// be right:
//
//   - The form: no DTD, no comments, no processing instructions; one assertion, at the
//     place where it belongs; signatures at their places; no id twice. Whoever wraps a
//     signed assertion in another one, or splits a name with a comment, gets no further.
//   - The signature, of the assertion or of the response around it, by a certificate in
//     the identity provider's metadata, not with SHA-1; what is read is what is signed.
//   - The issuer; the audience, which is Config.EntityID; the recipient, which is
//     Config.ACSURL; a bearer as the subject's confirmation; that there is a subject who
//     has logged in; no conditions that are not known.
//   - The time: issued less than 90 seconds ago, and within NotBefore and NotOnOrAfter,
//     to which 3 minutes are added for clocks that differ. These are the library's.
//   - The request: [Provider.Finish] wants the answer to its own, once. [Provider.Verify]
//     and [Provider.Assert] want an assertion that answers none, or the answer that Finish
//     has taken (Config.Reusable).
//   - That it is new: the id of an assertion is kept in Config.Directory, and it counts
//     once, on all hubs that share the directory, unless it is Config.Reusable.
//
// Metadata is given, or fetched and fetched again as the keys of package oidc are: after
// Config.RefreshAfter, and when a certificate is not known.
//
// # What it says
//
// An [Assertion] has the subject and the attributes. [Assertion.STS] is what
// AssumeRoleWithSAML wants to know of it; sts.Config.SAML takes a Provider. As an
// auth.Token, for identity pools, its subject is the NameID, which must not be transient,
// nor an e-mail address unless Config.AllowEmail says that addresses do not pass to others.
// Clients of identity pools show an assertion with each of their calls: for them there is
// Config.Reusable. A second Provider with the same Directory and without it lets
// AssumeRoleWithSAML take each assertion once all the same.
//
// # Signing in with a browser
//
// [Provider.Begin] makes the address to send a browser to, with a request in it;
// [Provider.Finish] checks what the browser posts to Config.ACSURL; [Provider.Handler] is
// a handler for that page. [Provider.ServiceMetadata] is what the identity provider wants
// to know of us.
package saml
