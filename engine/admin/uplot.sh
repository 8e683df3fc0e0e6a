#!/bin/sh
# Puts uPlot, which draws the console's charts, into page/, from where the build embeds it. It is no part of the tree: a node
# that is built without it draws curves without axes. What is installed is left alone.
set -eu
cd "$(dirname "$0")/page"
version=1.6.32
sum=2883159c6ebccefbb95d751b0b82d010f9e1c0ec41b8bc96d401eda66e882935c89a46cb824332fa369b8cb8122cc6ac36e186cd09bf7a9ded3a4c93c6989023

if [ -f uPlot.css ] && grep -qs "(v$version)" uPlot.js; then exit 0; fi
command -v npm >/dev/null || {
	echo "uplot: npm is missing (Debian: apt-get install npm)" >&2
	exit 1
}
work=$(mktemp -d .uplot.XXXXXX)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent --ignore-scripts --fetch-retries=0 --fetch-timeout=20000 "uplot@$version" >/dev/null)
echo "$sum  $work/uplot-$version.tgz" | sha512sum --quiet -c - >&2
tar -xzf "$work/uplot-$version.tgz" -C "$work" package/dist/uPlot.esm.js package/dist/uPlot.min.css
chmod 644 "$work"/package/dist/*
mv "$work/package/dist/uPlot.min.css" uPlot.css
mv "$work/package/dist/uPlot.esm.js" uPlot.js
