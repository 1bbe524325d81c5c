#!/bin/sh
# Downloads the jars of a Kafka broker (kafka.txt) from Maven Central to .tools/kafka, where
# the tests find them. What is there already stays. It needs curl; the broker needs Java 17.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
to=$here/../../.tools/kafka
mkdir -p "$to"
to=$(cd "$to" && pwd)

# A jar has its name only once its sum was right.
grep -v '^#' "$here/kafka.txt" | while read -r sum path; do
	jar=$to/${path##*/}
	[ -f "$jar" ] || echo "$sum $path"
done >"$to/missing"
if [ ! -s "$to/missing" ]; then
	rm "$to/missing"
	exit 0
fi

echo "kafka: downloading $(wc -l <"$to/missing") jars from Maven Central"
part=$to/part
rm -rf "$part"
mkdir "$part"
while read -r _ path; do
	echo "url = https://repo.maven.apache.org/maven2/$path"
	echo "output = $part/${path##*/}"
done <"$to/missing" | curl --fail --no-progress-meter --location --retry 5 --retry-connrefused --parallel --parallel-max 6 --config -
while read -r sum path; do
	echo "$sum  $part/${path##*/}"
done <"$to/missing" | sha256sum --check --quiet -
mv "$part"/*.jar "$to"
rm -r "$part" "$to/missing"
