#!/bin/sh
# Bundles the client library of clients/js with stompjs into page/stentor.js, from where the build embeds it. It is no part of
# the tree: a node that is built without it tries messages with the page's own stomp.js. While the library's source is the
# same, what is there is left alone.
set -eu
cd "$(dirname "$0")"
js=../../clients/js
stompjs=7.5.0
stompjs_sum=c61dec7731181fc33e92b40604e823f94d012c11ddedc7138fc60cde65716942cc4d6ff0c7640159fe38f298a54625992a382584398d20bc4cdd6fa3fc287dbb
esbuild=0.28.2
esbuild_sum=19c715c21bf79a63945501c2426d8ec7fadbcbc9ff12a530bd9c44e8f8df8a4aeafe55b0f60f565ffbbd1329169e9a2ddcaa3a8f8dba0e041d79adb158a20040

grep -q "\"@stomp/stompjs\": \"$stompjs\"" "$js/package.json" || {
	echo "library: $js/package.json has another version of stompjs than $stompjs" >&2
	exit 1
}
sum=$(find "$js/src" library.sh -type f | LC_ALL=C sort | xargs cat | sha256sum | cut -d' ' -f1)
if [ "$(head -n 1 page/stentor.js 2>/dev/null)" = "// $sum" ]; then exit 0; fi
command -v npm >/dev/null || {
	echo "library: npm is missing (Debian: apt-get install npm)" >&2
	exit 1
}
work=$(mktemp -d "$PWD/page/.library.XXXXXX")
trap 'rm -rf "$work"' EXIT

# fetch unpacks a package of this checksum into a folder where modules are looked for.
fetch() { # name, version, sum
	mkdir -p "$work/node_modules/$1"
	(cd "$work" && npm pack --silent --ignore-scripts --fetch-retries=0 --fetch-timeout=20000 "$1@$2" >/dev/null)
	echo "$3  $(echo "$work"/*.tgz)" | sha512sum --quiet -c - >&2
	tar -xzf "$work"/*.tgz -C "$work/node_modules/$1" --strip-components 1
	rm "$work"/*.tgz
}
fetch @stomp/stompjs $stompjs $stompjs_sum
fetch esbuild-wasm $esbuild $esbuild_sum
node "$work/node_modules/esbuild-wasm/bin/esbuild" "$js/src/index.ts" \
	--alias:@stomp/stompjs="$work/node_modules/@stomp/stompjs" --bundle --minify --format=esm --target=es2022 --log-level=warning --banner:js="// $sum" --outfile="$work/stentor.js"
mv "$work/stentor.js" page/stentor.js
