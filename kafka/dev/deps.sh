#!/bin/sh
# Installs what `make kafka`, `make test-kafka` and the examples need, on Debian and its derivatives: a JDK (17 or
# newer), Maven and kcat. Leaves alone what is already installed.
set -eu
missing=""
command -v javac >/dev/null || missing="$missing default-jdk-headless"
command -v mvn >/dev/null || missing="$missing maven"
command -v kcat >/dev/null || missing="$missing kcat"
[ -n "$missing" ] || exit 0
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -q
# shellcheck disable=SC2086 # several names
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing
