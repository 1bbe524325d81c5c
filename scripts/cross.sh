#!/usr/bin/env bash
# Builds the core without cgo for systems other than the one at hand.
set -euo pipefail
cd "$(dirname "$0")/.."

export CGO_ENABLED=0
for system in linux/arm64 linux/arm darwin/arm64 windows/amd64; do
  echo "== build $system"
  GOOS=${system%/*} GOARCH=${system#*/} go build ./...
done
