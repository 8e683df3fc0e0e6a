#!/bin/sh
# Installs what the tests of the scripts, of the proxies, of several hosts and of LVS need: shellcheck, busybox, the
# distribution's nginx with its module stream, HAProxy, openssl, iproute2, ipvsadm, systemd's analyzer. It skips installed
# packages, so a second run costs nothing. It stops a service that an installation started: the tests start the proxies themselves.
set -eu

missing=
command -v shellcheck >/dev/null || missing="$missing shellcheck"
command -v busybox >/dev/null || missing="$missing busybox-static"
command -v nginx >/dev/null || missing="$missing nginx-light"
[ -e /usr/lib/nginx/modules/ngx_stream_module.so ] || missing="$missing libnginx-mod-stream"
command -v haproxy >/dev/null || missing="$missing haproxy"
command -v openssl >/dev/null || missing="$missing openssl"
command -v ipvsadm >/dev/null || missing="$missing ipvsadm"
command -v ip >/dev/null || missing="$missing iproute2"
command -v systemd-analyze >/dev/null || missing="$missing systemd" # its installation starts nothing
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "tuning/deps.sh: install these by hand:$missing" >&2
	exit 1
fi
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -q
# shellcheck disable=SC2086 # words, each a package
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
if [ -d /run/systemd/system ]; then
	for service in nginx haproxy; do
		case "$missing" in *" $service"*) $sudo systemctl disable --now "$service" || true ;; esac
	done
fi
