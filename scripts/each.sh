#!/usr/bin/env bash
# Runs a command in the folder of every module, the core first. Goes on after a
# failure and fails at the end, so that one run shows all of it.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

mapfile -t nested < <(find . -mindepth 2 \( -name node_modules -o -name '.*' \) -prune -o -name go.mod -printf '%h\n' | sort)
failed=()
for dir in . "${nested[@]}"; do
  echo "== $dir: $*"
  (cd "$dir" && "$@") || failed+=("$dir")
done

if [ ${#failed[@]} -gt 0 ]; then
  echo "failed in: ${failed[*]}" >&2
  exit 1
fi
