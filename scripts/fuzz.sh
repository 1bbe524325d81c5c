#!/usr/bin/env bash
# fuzz.sh TIME: runs every fuzz target of the repository for TIME each. An input
# that fails is kept under testdata/fuzz of its package: commit it with the fix.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

mapfile -t targets < <(grep -rEo --include='*_test.go' --exclude-dir=node_modules '^func Fuzz[A-Za-z0-9_]*' . | sed 's/func //' | sort)
failed=()
for t in "${targets[@]}"; do
  dir=$(dirname "${t%:*}") target=${t##*:}
  echo "== $dir: $target"
  (cd "$dir" && go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" .) || failed+=("$target")
done

if [ ${#failed[@]} -gt 0 ]; then
  echo "failed: ${failed[*]}" >&2
  exit 1
fi
