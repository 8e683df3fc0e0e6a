#!/bin/sh
# Runs below systemd: puts the files of each of /test/cases in their place, and has systemd read and start the unit.
# /test/out gets what it makes of it, and what the process was given.
set -u
trap 'systemctl --force exit' EXIT
mkdir -p /usr/local/lib/systemd/system
places='etc run usr/lib/systemd/system usr/local/lib/systemd/system'
for case in /test/cases/*; do
	for place in $places; do
		[ ! -d "$case/$place" ] || cp -R -P "$case/$place/." "/$place"
	done
	mkdir -p /run/systemd/system # without which systemctl takes this for another init
	systemctl daemon-reload || exit
	rm -f /test/ran
	systemctl show stentor.service -p LoadState -p FragmentPath -p DropInPaths -p LimitNOFILE -p TasksMax >/test/one
	if grep -q '^LoadState=loaded$' /test/one && systemctl start stentor.service; then
		tries=0 # there is no bus here on which its end would be told
		while systemctl is-active -q stentor.service && [ "$tries" -lt 500 ]; do
			tries=$((tries + 1))
			sleep 0.02
		done
	fi
	[ ! -f /test/ran ] || cat /test/ran >>/test/one
	mv /test/one "/test/out/${case##*/}"
	for place in $places; do
		[ -d "$case/$place" ] || continue
		(cd "$case/$place" && find . ! -type d && find . -mindepth 1 -depth -type d) | while IFS= read -r name; do
			rm -f "/$place/$name" 2>/dev/null || rmdir "/$place/$name" 2>/dev/null
		done
	done
done
: >/test/done
