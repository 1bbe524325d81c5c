#!/usr/bin/env bash
# Installs what the tests talk to and the Go toolchain does not bring: a C
# compiler for the race detector, OpenSSL, curl, Mosquitto and its clients, Chromium,
# MQTT.js, the AWS IoT device SDKs, boto3 and the AWS CLI. Does nothing when all of it is
# there.
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
if [ ${#packages[@]} -gt 0 ]; then
  install="apt-get install -y --no-install-recommends ${packages[*]}"
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "The tests need: ${packages[*]}. On Debian and Ubuntu install them with" >&2
    echo "  sudo $install" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  $install
fi

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  echo "The tests need Node.js 20 or newer with npm, see https://nodejs.org/en/download" >&2
  exit 1
fi
cd internal/interop
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
  npm ci --ignore-scripts --no-audit --no-fund
  touch node_modules/.package-lock.json
fi

# Python packages go into an environment of their own, made anew when they change or
# when the interpreter it was made with is gone.
if ! cmp -s requirements.txt .venv/requirements.txt || ! .venv/bin/python -c 'import boto3' 2>/dev/null; then
  rm -rf .venv
  python3 -m venv .venv
  .venv/bin/python -m pip install --quiet --no-input --disable-pip-version-check --no-deps --requirement requirements.txt
  cp requirements.txt .venv/requirements.txt
fi
