#!/bin/sh
# The proof, as it runs in the machine: set the kernel up, start one server, put CONNECTIONS clients on it, and note at
# each phase what the kernel and the processes use. VIA puts nginx before the server; TLS makes its clients use wss://.
# shellcheck disable=SC3045 # the sh of busybox has ulimit -n
set -u
server_log=/tmp/server.log
mkdir -p figures
log() { echo "million: $*"; }
kb() { awk -v key="$1" '$1 == key { print $2; exit }' "$2" 2>/dev/null; }
# rss PID... and cpu PID... are sums, nothing for none; the latter is user and system, in 1/100 s.
rss() { for pid; do kb Rss: "/proc/$pid/smaps_rollup"; done | sum; }
cpu() { for pid; do awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$pid/stat" 2>/dev/null; done | sum; }
sum() { awk '{ n += $1 } END { if (NR) print n }'; }
# load_pid names no process when there is none.
load_pid() { pidof stentor-bench || echo none; }

# figures PHASE adds one line to figures/samples.tsv: seconds, phase, connected clients, then KiB: memory that is used
# since before the server began, RSS of the server and of the generator, slabs; then both CPU times in 1/100 s; at last
# RSS and CPU time of nginx.
figures() {
	generator=$(load_pid)
	sockets=$(awk '/^TCP:/ { print $3 }' /proc/net/sockstat)
	proxy=$(pidof nginx)
	# shellcheck disable=SC2086 # several processes
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$(cut -d' ' -f1 /proc/uptime)" "$1" "$((sockets / each))" \
		"$((free_before - $(kb MemFree: /proc/meminfo)))" \
		"$(rss "$server")" "$(rss "$generator")" \
		"$(kb Slab: /proc/meminfo)" "$(cpu "$server")" "$(cpu "$generator")" "$(rss $proxy)" "$(cpu $proxy)" >>figures/samples.tsv
}

# snapshot PHASE keeps the kernel's own files and sends all to the host.
snapshot() {
	figures "$1"
	dir=figures/$1
	mkdir -p "$dir"
	cp /proc/net/sockstat /proc/net/softnet_stat /proc/stat /proc/meminfo /proc/slabinfo /proc/net/netstat /proc/net/snmp "$dir"
	cp "/proc/$server/smaps_rollup" "$dir/server.smaps_rollup"
	cp "/proc/$(load_pid)/smaps_rollup" "$dir/generator.smaps_rollup" 2>/dev/null
	timeout 60 wget -q -O "$dir/server.metrics" http://127.0.0.1:8081/metrics
	tail -n 3 figures/samples.tsv
	cp "$server_log" figures/server.log
	[ "$VIA" = '' ] || cp /run/nginx/errors figures/nginx.log
	[ "$VIA" = '' ] || [ "$1" != open ] || pairs | tee figures/pairs
	out figures
}

# pairs is how the connections between nginx and the server spread: the server's port, nginx's address, how many.
pairs() {
	if [ "$VIA" = unix ]; then
		# Connected, and with a name, which is that of the server's listener.
		awk '$6 == "03" && NF == 8 { n++ } END { print "unix", "-", n + 0 }' /proc/net/unix
		return
	fi
	# Established, and the port is one of the server's; addresses are in hexadecimal, their last byte first.
	awk -v ports="$(echo "$listen" | tr , '\n' | awk -F : '{ printf " %04X ", $2 }')" '
		$4 == "01" && index(ports, " " substr($2, 10) " ") { n[substr($2, 10) " " substr($3, 1, 8)]++ }
		END { for (pair in n) print pair, n[pair] }' /proc/net/tcp |
		while read -r at from n; do
			echo "$((0x$at)) $((0x${from#??????})).$((0x$(echo "$from" | cut -c5-6))).$((0x$(echo "$from" | cut -c3-4))).$((0x${from%??????})) $n"
		done
}

# several N PREFIX FIRST writes N addresses: each is the prefix and a number.
several() {
	seq "$3" $(($3 + $1 - 1)) | sed "s/^/$2/" | tr '\n' , | sed 's/,$//'
}

# front starts nginx with the configuration that `stentor proxy-config` writes.
front() {
	mkdir -p /run/nginx
	# shellcheck disable=SC2086 # several words
	stentor proxy-config nginx --connections "$CONNECTIONS" $way --listen 127.0.0.1:8000 --user root --run-dir /run/nginx >nginx.conf ||
		fail 'there is no configuration for that'
	nginx -p /run/nginx -e /run/nginx/errors -c /root/nginx.conf || fail 'nginx does not start'
	log "nginx: stentor proxy-config nginx --connections $CONNECTIONS $way"
}

# leave tells the server to leave, and notes how many seconds it took to end and how many it may.
leave() {
	: >/tmp/leaving
	begun=$(cut -d' ' -f1 /proc/uptime)
	kill -TERM "$server"
	while [ -d "/proc/$server" ] && ! grep -q '^State:.Z' "/proc/$server/status"; do sleep 0.2; done
	awk -v begun="$begun" -v most="$drain" '{ printf "%.1f\t%d\n", $1 - begun, most }' /proc/uptime >figures/leave.tsv
	log "the server has ended $(cut -f1 figures/leave.tsv) s after SIGTERM"
}

fail() {
	log "$*"
	tail -n 20 "$server_log" 2>/dev/null
	exit 1
}

# What the server listens on, what proxy-config is told of it, where the clients connect, and how many TCP sockets each takes.
listen=127.0.0.1:8080 way='' url=ws://127.0.0.1:8000/ws each=4
ways=$(((CONNECTIONS + 24999) / 25000)) # pairs of addresses between nginx and the server, as proxy-config wants them
[ "$ways" -ge 2 ] || ways=2
case $VIA in
'') url=ws://127.0.0.1:8080/ws each=2 ;;
unix) listen=unix:/run/ws.sock way='--unix /run/ws.sock' each=2 ;;
ports) listen=$(several "$ways" 127.0.0.1: 9001) way="--node $(several "$ways" 127.0.0.1: 9001)" ;;
sources) way="--node 127.0.0.1:8080 --source $(several "$ways" 127.0.1. 1)" ;;
esac
tls='' trust=''
[ "$TLS" = '' ] || {
	listen="$listen tls" url=wss://127.0.0.1:8080/ws
	# An emulated processor takes 20 ms for a full handshake with the keys that browsers use: most resume, with smaller ones.
	trust='--ca push.pem --tls-resume'
	export GODEBUG=tlsmlkem=0
	tls='tls: {certificates: [{cert: push.pem, key: push.pem.key}]}'
}
drain=$((60 + CONNECTIONS / 300)) # seconds; an emulated close takes milliseconds
room=$((CONNECTIONS + 1000)) # what the server takes: a client that comes back may be there before its end is seen
if [ -d tuning ]; then
	log "tuning/apply.sh for $room connections"
	sh tuning/apply.sh --connections "$room" --outgoing --yes >figures/apply.txt 2>&1 || fail "$(cat figures/apply.txt)"
fi
[ "$LOCAL_PORTS" = '' ] || echo "$LOCAL_PORTS" >/proc/sys/net/ipv4/ip_local_port_range
# An emulated kernel comes to its timers late. With the usual 200 ms it sends again what has arrived and is not acknowledged
# yet, for hundreds of thousands of sockets at once, until it does little else.
/bin/ip route change table local local 127.0.0.0/8 dev lo proto kernel scope host src 127.0.0.1 rto_min 5s || fail 'no rto_min'
# Both ends are behind loopback, so that every segment of a broadcast and every acknowledgement may come to wait for the
# processor. What does not find room there is dropped, and its sender keeps 1.5 KB for it until that timer.
echo "$((2 * CONNECTIONS))" >/proc/sys/net/core/netdev_max_backlog
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
listen: {client: ["$(echo "$listen" | sed 's/,/", "/g')"], api: "127.0.0.1:8081", trusted_proxies: [127.0.0.1, 127.0.1.0/24]}
$tls
endpoints: [{path: /ws}]
drain: {timeout: ${drain}s, interval: 1s} # a tenth of the usual pace, as all else here
history: {window: 1h} # emulated, a tenth of a million takes minutes to come back
limits: {connections: $room, handshake_timeout: 2m, connect_timeout: 2m}
admin_keys: ["$API_KEY-admin"]
projects:
  million:
    api_keys: ["$API_KEY"]
    keys: [{kid: million, alg: HS256, secret: "$SECRET"}]
    subscribe: ["/topic/million/**", "/user/**"]
    slow: {timeout: 5m} # an emulated kernel that is busy may send a lost segment again only after half a minute
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
[ "$VIA" = '' ] || front
figures start

# What goes on between the phases.
while sleep 30; do
	figures running
	tail -n 1 figures/samples.tsv
done &
sampler=$!

leaving=''
[ "$LEAVE" = '' ] || leaving="--leave $((drain + 60))s"
printf %s "$SECRET" >secret
printf %s "$API_KEY" >key
{
	# shellcheck disable=SC2086 # several words
	stentor-bench million --url $url $trust --connections "$CONNECTIONS" --heartbeat "$HEARTBEAT" --open-rate 0 --gather 10ms --open-timeout 10m --settle 1m \
		--broadcasts 3 --rate 50 \
		--project million --kid million --secret-file secret --api-key-file key --json million.json $BENCH_FLAGS $leaving 2>&1
	echo $? >/tmp/load.status
} | {
	# A line of progress has the seconds and the phase in front; a phase ends where another begins.
	phase=open
	while IFS= read -r text; do
		printf '%s\n' "$text"
		# shellcheck disable=SC2086 # words
		set -- $text
		case ${1-} in
		[0-9]*.[0-9]s)
			case $phase in
			"$2") ;;
			*)
				snapshot "$phase"
				if [ "$2" = leave ]; then leave & fi
				;;
			esac
			phase=$2
			;;
		esac
	done
}
status=$(cat /tmp/load.status)
snapshot end
[ ! -f million.json ] || out million.json
if [ "$LEAVE" = '' ]; then
	kill -0 "$server" 2>/dev/null || fail 'the server has ended'
	[ "$AFTER" -eq 0 ] || {
		sleep "$AFTER"
		snapshot gone
	}
else
	[ -f /tmp/leaving ] || fail 'the server was not told to leave'
	wait "$server" || fail "the server has ended with status $?"
	until [ -s figures/leave.tsv ]; do sleep 0.2; done
	out figures
fi
kill "$sampler"
exit "$status"
