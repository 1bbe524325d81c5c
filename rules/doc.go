// Package rules is the rules engine: which messages lead to which actions.
//
//	s, err := rules.New(rules.Config{})
//	go s.Run(ctx)
//	err = s.Put(ctx, rules.Rule{Name: "hot", SQL: `SELECT temp FROM 'dt/+/temp' WHERE temp > 80`, Actions: []actions.Action{page}})
//	err = s.Submit(ctx, &actions.Message{Topic: "dt/pump/temp", Payload: []byte(`{"temp":81}`)})
//
// A rule pasted from an AWS account works unchanged: [Service.DecodeRule] reads it, and
// what cannot work is refused when the rule is put, with the place of the mistake.
//
// # The way of a message
//
// [Service.Submit] finds the rules whose FROM matches the topic in one tree, and
// evaluates them with one scan of the payload (package sql). A message that no rule wants
// costs nothing but that: no copy, no lock, no allocation. What passes is copied once,
// its actions' templates are rendered, and it waits in the queue of the rule; Submit
// never waits itself. Statements that call out, and payloads of more than
// [Config].MaxInline bytes, are evaluated by a worker instead; what comes on their topic
// meanwhile stays behind them.
//
// Each action of a rule has lanes of its own. Messages of one topic take the same lane,
// one after the other and in order; so a slow action holds up neither the publisher nor
// other rules nor the other actions of its rule. Errors are retried in the lane, with
// growing pauses, unless they are permanent; panics are caught, and who ends his goroutine
// has failed for good; every try has a deadline.
// An action that takes batches gets what waits ([actions.Batcher]).
//
// # When too much waits
//
// A rule's queue is bounded in messages and bytes ([Delivery]), with a reserve for QoS 1
// and 2. A message that finds no room is dropped: counted, and reported to the rule's error
// action, as long as not too many wait for that too. What a service has when it is shut
// down can be kept for the next one: [Config].Backlog.
//
// # Sinks
//
// An action that writes to a database, a broker or a service has an [actions.Sink], which
// it may share with others. While that is down nothing is tried, and events wait, in their
// order, until they are an hour old ([actions.SinkRetry]). [Service.Sinks] tells how the
// sinks are.
//
// # Error actions
//
// When all actions are done with a message and some have failed, the error action gets
// one report, as AWS documents it:
//
//	{"ruleName", "topic", "cloudwatchTraceId", "clientId", "base64OriginalPayload",
//	 "failures": [{"failedAction", "failedResource", "errorMessage"}]}
//
// A batch that failed is reported as a whole: "payloadsWithMetadata" has its messages,
// numbered by "id", and each failure says in "affectedIds" which. A failedAction is the
// action's kind with Action behind it, such as RepublishAction; RuleExecution stands for
// the statement, which failed because a function that calls out did, and for a full
// queue. The error action is retried like others; its own failure is only counted.
//
// # Changing rules
//
// Rules can be put, replaced, enabled, disabled and deleted at any time. Each change is
// one step for all messages: one that was submitted before is worked by the rule as it
// was, one after by the rule as it is, and none is lost. Rules made of what JSON can say
// are kept in a [Store]; those with Go functions are put again by the program.
//
// # Basic Ingest
//
// A message on $aws/rules/{rule}/{topic} goes to that rule alone. A FROM, if there is
// one, must match what is behind the prefix; topic() is that too.
//
// # Loops
//
// What an action publishes has one hop more than the message that led to it, whatever way
// it takes ([actions.Hops]). Messages with more than [Config].MaxHops are dropped,
// counted, and logged once.
//
// # Looking inside
//
// [Service.Metrics] counts; the log has a line for each evaluation at the level Debug;
// [Service.Trace] tells for a message which rules match and why not, the value of each
// sub-expression, the output, and what the actions would get; [Service.Try] does so for
// a rule that is not put.
//
// # Other languages
//
// [Expr] is a rule in the language of github.com/expr-lang/expr. It runs in the same
// engine. What one evaluation may do and make is bounded, see [Config].ExprSteps and
// ExprMemory; an expression that wants more fails with [ErrBudget].
package rules
