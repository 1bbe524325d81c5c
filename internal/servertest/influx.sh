#!/bin/sh
# Builds InfluxDB 1.8, the last one that is Go alone, to .tools/influx, where the tests find
# it. What is there already stays.
set -eu

version=v1.8.10
to=$(cd "$(dirname "$0")/../.." && pwd)/.tools/influx/$version
[ ! -x "$to/influxd" ] || exit 0

echo "influx: building InfluxDB $version"
CGO_ENABLED=0 GOWORK=off GOFLAGS= GOBIN="$to" go install "github.com/influxdata/influxdb/cmd/influxd@$version"
