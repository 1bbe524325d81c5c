// Package bench compares thinghub with other brokers, in one run on one machine:
//
//	make compare ROUNDS=3
//
// What policies cost is measured beside the same hub without them, and printed as ratios
// of each figure within a round:
//
//	make compare BROKERS=thinghub-users,thinghub-policies20,thinghub-policies200 ROUNDS=3
//
// All three are examples/standalone with a user for each connection; the last two give
// them a policy of 20 or 200 statements (internal/fleet). Its last ones allow what the
// scenarios do, of variables and wildcards; the others look like those and match nothing:
// they are about the topics of all scenarios in turn, and with thinghub-alike20 and
// thinghub-alike200 all about the topics of the one that runs. These brokers only run if
// they are named. With a hub of ours whatever is lost, refused or unfinished fails
// the run.
//
// cmd/mqttload is a peer-neutral load generator with exact accounting of lost,
// duplicated and reordered messages; cmd/compare runs brokers.json against
// scenarios.json, interleaved, with a fresh broker per run, and prints medians and
// ratios; cmd/floor is a null broker, the lower bound of any broker in the same
// table; cmd/mochi starts the peer of that name. Prefer CPU per message and ratios
// within one run: wall-clock rates and latencies only count on a quiet machine.
package bench
