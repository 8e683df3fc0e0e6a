#!/bin/sh
# Installs what building and testing the client library needs. What is installed is left alone, so that a second run
# costs nothing.
set -eu
cd "$(dirname "$0")"
../../engine/e2e/deps.sh # Node, Chromium
if ! command -v firefox-esr >/dev/null && ! command -v firefox >/dev/null; then
	if ! command -v apt-get >/dev/null; then
		echo "clients/js/deps.sh: install Firefox by hand" >&2
		exit 1
	fi
	sudo=
	[ "$(id -u)" = 0 ] || sudo=sudo
	$sudo apt-get update -q
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends firefox-esr
fi
if ! cmp -s package.json node_modules/.installed; then
	npm install --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel=error
	cp package.json node_modules/.installed
fi
