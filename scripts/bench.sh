#!/usr/bin/env bash
# bench.sh PATTERN TIME: runs the benchmarks that match PATTERN for TIME each,
# in every package that has one. The output is what benchstat reads.
set -euo pipefail
cd "$(dirname "$0")/.."

grep -rlE --include='*_test.go' --exclude-dir=node_modules '^func Benchmark' . | xargs -r -n1 dirname | sort -u |
  while read -r dir; do
    (cd "$dir" && go test -run '^$' -bench "$1" -benchtime "$2" -benchmem .)
  done
