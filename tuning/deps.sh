#!/bin/sh
# Installs what the tests of the tuning scripts need, on Debian and what descends from it: shellcheck and busybox. What
# is there already is left alone.
set -eu
missing=""
command -v shellcheck >/dev/null || missing="$missing shellcheck"
command -v busybox >/dev/null || missing="$missing busybox-static"
[ -n "$missing" ] || exit 0
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -q
# shellcheck disable=SC2086 # several names
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing
