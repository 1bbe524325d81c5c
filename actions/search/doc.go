// Package search writes the results of rules as documents into OpenSearch and
// Elasticsearch, with the rule actions "openSearch" and "elasticsearch" of AWS. It needs
// net/http only.
//
//	cluster, err := search.New(search.Config{
//		URLs: []string{"https://node-1:9200", "https://node-2:9200"},
//		Auth: search.Basic("hub", password),
//	})
//	...
//	hub, err := thinghub.New(thinghub.Config{RuleConfig: rules.Config{Kinds: search.Kinds(cluster)}})
//
// New connects to nothing: a hub starts while its cluster is down.
//
// # Rules
//
// A rule says where its documents go, in the words of AWS:
//
//	{"openSearch": {"endpoint": "https://node-1:9200", "index": "readings", "type": "_doc",
//		"id": "${clientid()}-${seq}", "roleArn": "arn:aws:iam::123456789012:role/search"}}
//
// The endpoint chooses one of the clients that the host has made; it is compared with
// [Config.URLs] and [Config.Aliases], and nothing is ever sent to another address. So a rule
// cannot make the hub ask servers of its author's choice, and credentials stay with the
// host. A host that wants other endpoints decides about each ([OpenKinds]). With one client
// the endpoint may be absent, and "sink" names a client as it does in other actions. In Go a
// rule gets what [Client.Put] returns. [Document] has all parameters.
//
// The outgoing payload must be a JSON object. Index, type, id and version may have
// templates. What these bring in is checked, because it comes from devices: an index that
// a template chooses cannot be one of the server's own, which begin with a dot.
//
// # Requests, versions
//
// Events go together into one request to _bulk: those that wait, up to 500 and 5 MiB, as
// configured. Documents have no type since Elasticsearch 7; OpenSearch and newer versions of
// Elasticsearch refuse a request that names one, older ones a request that does not. So
// "type" is sent to servers only that ask for it: the client notices.
//
// # Ids, duplicates and order
//
// An event may be sent more than once, when an answer is lost on its way. It then replaces
// its own document, because its texts, the id too, are rendered once and stay for the
// tries that follow, also in the rule's backlog. An id that is absent is
// [actions.Event.ID]. That, and ${newuuid()} which examples of AWS like to have, makes two
// documents of a message that its device sends twice, as devices do after a lost
// connection. An id that is made of the message, such as ${clientid()}-${seq}, makes one.
//
// Events of one topic are written in their order. That matters where they have the same
// id: the last one stays. A server executes what it gets for one id in its order. If it
// takes an event while refusing an earlier one of the same id for now, the earlier one
// is not repeated: it counts as written, and as replaced at once. A request that was given
// up may still be executed by a slow server, after later ones; the time limit that goes
// along makes that unlikely, and Version impossible: then a document is never replaced by
// one with a lower version.
//
// # Errors
//
// What the server says about a document decides:
//
//   - 429 and 500 to 599, an index that is blocked or closed, an index that does not
//     exist and is named without a template: tried again, and later events wait.
//   - 409: the document is there already, or a newer one. That is a success.
//   - any other, such as a value that does not fit to the mapping: fails for good.
//
// About a request as a whole it may say 413, too large, or 400: then it is sent in halves,
// so that only those documents fail whose fault it is. Anything else, a wrong password
// too, is a trouble of the server: the [actions.Sink] goes down and events wait. With
// several nodes each request goes to the next one that works.
//
// Tested against OpenSearch 2.19; by hand, with the same tests, against Elasticsearch 6.8
// and 7.10.
package search
