#!/usr/bin/env bash
# compare.sh ROUNDS ONLY BROKERS: builds the load generator, the peers and
# examples/standalone, runs them side by side and prints the tables. A broker gets
# one core and the load generator another. Linux only. Results are kept in
# .tools/bench/results.jsonl. With BROKERS=thinghub-users,thinghub-policies20,thinghub-policies200
# it shows what policies cost (internal/bench/doc.go). Status 1: a hub of ours lost or
# refused something.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin

export BENCH_BIN=$PWD/.tools/bench
mkdir -p "$BENCH_BIN"
(cd internal/bench && go build -o "$BENCH_BIN/" ./cmd/... && go build -o "$BENCH_BIN/" github.com/nats-io/nats-server/v2)
(cd examples && go build -o "$BENCH_BIN/" ./standalone)
cd internal/bench
rm -f "$BENCH_BIN/results.jsonl"
exec "$BENCH_BIN/compare" -config brokers.json,scenarios.json -mqttload "$BENCH_BIN/mqttload" \
  -rounds "$1" -only "${2:-}" -brokers "${3:-}" -out "$BENCH_BIN/results.jsonl" -ramtmp /dev/shm
