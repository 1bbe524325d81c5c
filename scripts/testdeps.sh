#!/usr/bin/env bash
# Installs what the tests talk to and the Go toolchain does not bring: a C compiler for the
# race detector, OpenSSL, curl, Mosquitto and its clients, Chromium, MQTT.js, the AWS IoT
# device SDKs, boto3 and the AWS CLI; and what actions write to: PostgreSQL, MariaDB, Redis,
# RabbitMQ, InfluxDB, VictoriaMetrics, ClickHouse, moto for the services of AWS, and, with
# Java, Kafka, its client kcat and OpenSearch. Does nothing when all of it is there.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin

packages=()
command -v "${CC:-gcc}" >/dev/null || packages+=(gcc libc6-dev)
command -v openssl >/dev/null || packages+=(openssl)
command -v curl >/dev/null || packages+=(curl)
command -v mosquitto >/dev/null || packages+=(mosquitto)
command -v mosquitto_pub >/dev/null || packages+=(mosquitto-clients)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || packages+=(chromium)
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || packages+=(postgresql)
command -v mariadbd >/dev/null || packages+=(mariadb-server)
command -v redis-server >/dev/null || packages+=(redis-server)
command -v rabbitmq-server >/dev/null || packages+=(rabbitmq-server)
command -v influxd >/dev/null || packages+=(influxdb)
command -v victoria-metrics >/dev/null || packages+=(victoria-metrics)
command -v clickhouse-server >/dev/null || packages+=(clickhouse-server)
command -v kcat >/dev/null || packages+=(kcat)
command -v java >/dev/null || packages+=(default-jre-headless)
if [ ${#packages[@]} -gt 0 ]; then
  install="apt-get install -y --no-install-recommends ${packages[*]}"
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "The tests need: ${packages[*]}. On Debian and Ubuntu install them with" >&2
    echo "  sudo $install" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  # The tests start servers of their own; those of the packages are to stay off.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
  fi
  apt-get update -q
  $install
  [ -z "$(trap -p EXIT)" ] || rm -f $policy
  trap - EXIT
fi

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  echo "The tests need Node.js 20 or newer with npm, see https://nodejs.org/en/download" >&2
  exit 1
fi
internal/servertest/influx.sh
internal/servertest/kafka.sh
internal/servertest/opensearch.sh

# Python packages go into an environment of their own, made anew when they change or
# when the interpreter it was made with is gone.
environment() { # in the present folder, with a module that tells that it works
  if ! cmp -s requirements.txt .venv/requirements.txt || ! .venv/bin/python -c "import $1" 2>/dev/null; then
    rm -rf .venv
    python3 -m venv .venv
    .venv/bin/python -m pip install --quiet --no-input --disable-pip-version-check --no-deps --requirement requirements.txt
    cp requirements.txt .venv/requirements.txt
  fi
}
(cd internal/servertest && environment moto)

cd internal/interop
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
  npm ci --ignore-scripts --no-audit --no-fund
  touch node_modules/.package-lock.json
fi
environment boto3
