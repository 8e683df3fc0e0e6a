#!/bin/sh
# Installs what the Spring application is built and run with on Debian and what descends from it: a JDK (17 or newer) and
# Maven. What is installed is left alone.
set -eu
missing=""
command -v javac >/dev/null || missing="$missing default-jdk-headless"
command -v mvn >/dev/null || missing="$missing maven"
[ -n "$missing" ] || exit 0
command -v apt-get >/dev/null || {
	echo "install by hand:$missing" >&2
	exit 1
}
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -q
# shellcheck disable=SC2086 # several names
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing
