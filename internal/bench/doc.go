// Package bench compares thinghub with other brokers, in one run on one machine:
//
//	make compare ROUNDS=3
//
// cmd/mqttload is a peer-neutral load generator with exact accounting of lost,
// duplicated and reordered messages; cmd/compare runs brokers.json against
// scenarios.json, interleaved, with a fresh broker per run, and prints medians and
// ratios; cmd/floor is a null broker, the lower bound of any broker in the same
// table; cmd/mochi starts the peer of that name. Prefer CPU per message and ratios
// within one run: wall-clock rates and latencies only count on a quiet machine.
package bench
