#!/bin/sh
# out FILE...: copies files to the host. They keep their path when it is relative, else lose its first slash.
port=
for p in /sys/class/virtio-ports/*; do
	[ "$(cat "$p/name")" = out ] && port=/dev/${p##*/}
done
[ -n "$port" ] || { echo 'out: no port to the host' >&2; exit 1; }
until mkdir /run/out.lock 2>/dev/null; do
	sleep 1 # one opener at a time
done
trap 'rmdir /run/out.lock' EXIT
tar -cf "$port" "$@" 2>/run/out.errors || { cat /run/out.errors >&2; exit 1; }
