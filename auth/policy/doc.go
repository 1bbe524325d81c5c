// Package policy decides by AWS policy documents: IoT policies of certificates, things
// and custom authorizers, and IAM policies of roles, which are the same language. It
// does no I/O and keeps no state.
//
// # The way of a document
//
// [Parse] reads a document, strictly. [Compile] joins the documents that hang on a
// principal into a [Program], which all connections share. [Program.Bind] puts the
// [Facts] of one connection into it, once; the [Bound] then answers for every message,
// without allocating: [Bound.Publish], [Bound.Receive], [Bound.Subscribe],
// [Bound.Connect], and [Bound.Decide] for all other operations. When a policy or a fact
// changes, compile or bind again and swap the pointer.
//
// Trust policies of roles are of the same language: [ParseTrust], [Trust.Decide].
//
// [Bound.Explain] says for each statement why it applied or not, and knows the usual
// mistakes; [Lint] finds traps in a document, [Coverage] statements that never apply to
// those who are connected.
// [And] and [AndIdentity] are for principals that need the consent of two sets.
//
// # The language, as it is applied here
//
// A statement applies if its action, its resource and all its conditions match. A
// statement with Deny that applies wins over all others; else one with Allow allows;
// else the answer is no. If a document cannot be read, everything is denied: nobody
// knows what it would have denied.
//
// Actions and the names of keys compare without the case of ASCII letters; everything
// else is compared byte for byte. In resources and actions * stands for any run of
// characters, also none and also with slashes, and ? for one character. The + and # of
// MQTT are plain characters, in the policy as in the question: who asks for the filter
// "a/#" asks for the text topicfilter/a/#. A policy cannot therefore deny a filter to
// those who may ask for a wider one; deny iot:Receive on the topics. A shared
// subscription is asked about twice, as it is written and as the filter in it: one must
// be allowed and none denied. A message with RETAIN takes iot:RetainPublish beside
// iot:Publish.
//
// # Variables
//
// In version 2012-10-17, ${name} in resources and condition values is a fact of the
// connection, and ${*}, ${?} and ${$} are the characters. What is put in is text: a *
// in a client id is no wildcard, and ${ in it is no variable. An entry whose variable
// has no value matches nothing, while its neighbours still count. So a Deny with
// Resource vanishes; an Allow with NotResource does not apply either, for it would grow;
// a Deny with NotResource does apply. A key with several values has none to put in, nor
// has one that is not UTF-8, and of a certificate's values those with one of * $ + ? #
// or of more than 1024 characters. The thing's variables have values only where
// [Facts.OwnThing] is true.
//
// ${name, 'default'} is the default where the key is missing, as text, too. A value that is
// there but cannot be put in has none.
//
// # Conditions
//
// All operators of IAM are there, with IfExists, ForAllValues and ForAnyValue. A key
// that is missing makes a negated operator and ForAllValues true, and others false;
// without a quantifier one value of several is enough, and a negated operator is the
// opposite of the plain one. Numbers are compared exactly, times to the nanosecond
// (aws:CurrentTime has whole seconds), addresses as IPv4 if they are IPv4 in IPv6 form,
// resource names in six parts, bytes in base64 on both sides. A value that an operator
// cannot read is refused in a policy; as the value of a key or of a variable it equals
// nothing.
// aws:CurrentTime and aws:EpochTime are looked at when a decision is made, all other
// keys in Bind.
//
// # What it costs
//
// A decision looks at two times eight bytes of most entries. Patterns are matched from
// left to right without going back over a star, in time linear in the name, whoever made
// the pattern: text between two stars that has a ? in it costs at most a look at each byte
// of the name for each 64 bytes of the text. Three odd uses allocate in a decision: the time
// as a variable or with operators for text, and in a statement with NotResource or a
// condition on the time a resource with a variable before the name, as in
// "arn:aws:iot:${...}".
//
// Variables are looked up while matching, in the few texts that Bind made of the facts, and
// patterns that begin with the same text and variable share the look: all connections share
// the patterns, and Bind costs the same for two statements and for two hundred.
package policy
