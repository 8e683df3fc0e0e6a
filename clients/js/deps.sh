#!/bin/sh
# Installs what building and testing the client library needs. What is installed is left alone, so that a second run
# costs nothing.
set -eu
cd "$(dirname "$0")"
../../engine/e2e/deps.sh # Node, Chromium
if ! cmp -s package.json node_modules/.installed; then
	npm install --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel=error
	cp package.json node_modules/.installed
fi
