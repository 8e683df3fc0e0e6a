#!/bin/sh
# The proof, as it runs in the machine: set the kernel up, start one server, put CONNECTIONS clients on it, and note at
# each phase what the kernel and both processes use.
# shellcheck disable=SC3045 # the sh of busybox has ulimit -n
set -u
server_log=/tmp/server.log
mkdir -p figures
log() { echo "million: $*"; }
kb() { awk -v key="$1" '$1 == key { print $2; exit }' "$2" 2>/dev/null; }
rss() { kb Rss: "/proc/$1/smaps_rollup"; }
cpu() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat" 2>/dev/null; } # user and system, in 1/100 s
# load_pid names no process when there is none.
load_pid() { pidof stentor-bench || echo none; }

# figures PHASE adds one line to figures/samples.tsv: seconds, phase, connected clients, then KiB: memory that is used
# since before the server began, RSS of the server and of the generator, slabs; at last both CPU times in seconds.
figures() {
	generator=$(load_pid)
	sockets=$(awk '/^TCP:/ { print $3 }' /proc/net/sockstat)
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$(cut -d' ' -f1 /proc/uptime)" "$1" "$((sockets / 2))" \
		"$((free_before - $(kb MemFree: /proc/meminfo)))" \
		"$(rss "$server")" "$(rss "$generator")" \
		"$(kb Slab: /proc/meminfo)" "$(cpu "$server")" "$(cpu "$generator")" >>figures/samples.tsv
}

# snapshot PHASE keeps the kernel's own files and sends all to the host.
snapshot() {
	figures "$1"
	dir=figures/$1
	mkdir -p "$dir"
	cp /proc/net/sockstat /proc/meminfo /proc/slabinfo /proc/net/netstat /proc/net/snmp "$dir"
	cp "/proc/$server/smaps_rollup" "$dir/server.smaps_rollup"
	cp "/proc/$(load_pid)/smaps_rollup" "$dir/generator.smaps_rollup" 2>/dev/null
	timeout 60 wget -q -O "$dir/server.metrics" http://127.0.0.1:8081/metrics
	tail -n 3 figures/samples.tsv
	cp "$server_log" figures/server.log
	out figures
}

fail() {
	log "$*"
	tail -n 20 "$server_log" 2>/dev/null
	exit 1
}

room=$((CONNECTIONS + 1000)) # what the server takes: a client that comes back may be there before its end is seen
if [ -d tuning ]; then
	log "tuning/apply.sh for $room connections"
	sh tuning/apply.sh --connections "$room" --outgoing --yes >figures/apply.txt 2>&1 || fail "$(cat figures/apply.txt)"
fi
ulimit -n "$(cat /proc/sys/fs/nr_open)"
log "descriptors: $(ulimit -n), memory: $(awk '/^MemFree:/ { print int($2 / 1024) }' /proc/meminfo) MiB free"
if [ -d tuning ]; then
	stentor doctor --connections "$room" --outgoing >figures/doctor.txt 2>&1
	green=$?
	cat figures/doctor.txt
	[ "$green" = 0 ] || fail 'stentor doctor finds something short'
fi

cat >stentor.yaml <<YAML
node: {id: million}
listen: {client: ["127.0.0.1:8080"], api: "127.0.0.1:8081"}
endpoints: [{path: /ws}]
limits: {connections: $room, handshake_timeout: 2m, connect_timeout: 2m}
admin_keys: ["$API_KEY-admin"]
projects:
  million:
    api_keys: ["$API_KEY"]
    keys: [{kid: million, alg: HS256, secret: "$SECRET"}]
    subscribe: ["/topic/million/**", "/user/**"]
YAML
sync
echo 3 >/proc/sys/vm/drop_caches
free_before=$(kb MemFree: /proc/meminfo)
stentor serve --config stentor.yaml >"$server_log" 2>&1 &
server=$!
waited=0
until wget -q -O /dev/null http://127.0.0.1:8081/readyz; do
	kill -0 "$server" 2>/dev/null || fail 'the server has ended'
	waited=$((waited + 1))
	[ "$waited" -lt 120 ] || fail 'the server is not ready after 2 minutes'
	sleep 1
done
log 'the server is ready'
figures start

# What goes on between the phases.
while sleep 30; do
	figures running
	tail -n 1 figures/samples.tsv
done &
sampler=$!

printf %s "$SECRET" >secret
printf %s "$API_KEY" >key
{
	# shellcheck disable=SC2086 # several words
	stentor-bench million --connections "$CONNECTIONS" --heartbeat "$HEARTBEAT" --open-rate 0 --gather 10ms --open-timeout 10m --settle 1m \
		--project million --kid million --secret-file secret --api-key-file key --json million.json $BENCH_FLAGS 2>&1
	echo $? >/tmp/load.status
} | {
	# A line of progress has the seconds and the phase in front; a phase ends where another begins.
	phase=
	while IFS= read -r text; do
		printf '%s\n' "$text"
		# shellcheck disable=SC2086 # words
		set -- $text
		case ${1-} in
		[0-9]*.[0-9]s)
			case $phase in
			'' | "$2") ;;
			*) snapshot "$phase" ;;
			esac
			phase=$2
			;;
		esac
	done
}
status=$(cat /tmp/load.status)
kill "$sampler"
snapshot end
[ ! -f million.json ] || out million.json
kill -0 "$server" 2>/dev/null || fail 'the server has ended'
exit "$status"
