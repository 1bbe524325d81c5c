#!/usr/bin/env bash
# Fetches an OpenSearch node from Maven Central, about 45 MB, into .tools/opensearch, which
# Git ignores. opensearch.txt lists the files: SHA-256, folder, path. Does nothing when all
# of them are there. To run the node takes Java 11 to 21: apt-get install
# default-jre-headless.
set -euo pipefail
cd "$(dirname "$0")"
list=$PWD/opensearch.txt
version=$(sed -n 's|.*/opensearch-core-\(.*\)\.jar$|\1|p' "$list")
dir=$(cd ../.. && pwd)/.tools/opensearch/$version
central=${MAVEN_CENTRAL:-https://repo.maven.apache.org/maven2}

checked() { awk '{n = split($3, p, "/"); print $1 "  " $2 "/" p[n]}' "$list" | (cd "$1" && sha256sum --quiet --strict --check); }

if [ -d "$dir" ] && checked "$dir" 2>/dev/null; then
  exit 0
fi
rm -rf "$dir"
mkdir -p "$(dirname "$dir")"
new=$(mktemp -d "$dir.XXXXXX")
trap 'rm -rf "$new"' EXIT
chmod 755 "$new"
awk -v central="$central" -v new="$new" '{
  n = split($3, p, "/")
  print "url = \"" central "/" $3 "\""
  print "output = \"" new "/" $2 "/" p[n] "\""
}' "$list" | curl --fail --silent --show-error --no-progress-meter --location --retry 5 --retry-delay 2 --connect-timeout 30 --max-time 600 \
  --create-dirs --parallel --parallel-max 8 --config -
checked "$new"

# The distribution has the network part as a module; Maven Central has its jar alone.
cat >"$new/modules/transport-netty4/plugin-descriptor.properties" <<EOF
name=transport-netty4
description=The network of the node
version=$version
opensearch.version=$version
java.version=11
classname=org.opensearch.transport.Netty4Plugin
EOF
cat >"$new/modules/transport-netty4/plugin-security.policy" <<'EOF'
grant {
  permission java.lang.RuntimePermission "getClassLoader";
  permission java.lang.RuntimePermission "setContextClassLoader";
  permission java.lang.RuntimePermission "accessDeclaredMembers";
  permission java.net.SocketPermission "*", "accept,connect,resolve";
};
EOF
mv "$new" "$dir"
echo "OpenSearch $version is in $dir"
