#!/bin/sh
# The director of LVS with direct routing: one address for all nodes, whose connections the kernel deals out.
#
#   director.sh up     --vip 192.0.2.10 --port 443 --dev eth0 --node 192.0.2.21 --node 192.0.2.22
#   director.sh status --vip 192.0.2.10 --port 443
#   director.sh drain  --vip 192.0.2.10 --port 443 --node 192.0.2.21   # no new clients; those that it has stay
#   director.sh resume --vip 192.0.2.10 --port 443 --node 192.0.2.21
#   director.sh watch  --vip 192.0.2.10 --port 443 --health-port 8081  # takes dead nodes out, until it is ended
#   director.sh down   --vip 192.0.2.10 --port 443 --dev eth0
#
# Packets of clients reach the director, which passes each frame on to the node's hardware address and changes nothing
# in it; answers go from the node to the client, past the director. So it costs no sockets, ports or copies here, and a
# broadcast to a million clients does not pass this host. For that
#   - director and nodes are in one network segment, and every node has run realserver.sh;
#   - nodes listen on the same port as the director (nothing can be translated), on 0.0.0.0 or the virtual address;
#   - TLS ends on the nodes, at an nginx or HAProxy on each of them (stentor proxy-config);
#   - the director is no client or node itself.
# Clients keep their own addresses, so that listen.trusted_proxies does not concern it.
#
# Two directors share the virtual address with keepalived, and the table of connections with "ipvsadm --start-daemon".
#
# Other options
#   --scheduler wlc   how connections are dealt out; wlc: to the node with the fewest
#   --weight 100      of a node
#   --idle 1800       seconds for which a connection may be silent before it is forgotten; heart-beats are at most 600 s
#   --interval 2      seconds between two looks of watch
#   --fall 3          looks in a row that a node does not answer before watch takes it out: its clients are reset then
#   --dry-run         says what would be done
#
# up may be repeated, with more nodes or another weight. down leaves the settings of the kernel, which do no harm.
#
# Memory: one entry for each connection. For a million connections load ip_vs with a table that fits, once, before the
# first use: modprobe ip_vs conn_tab_bits=20
set -eu
LC_ALL=C # letters and digits are ASCII's, whatever the language is
export LC_ALL

state=${STENTOR_LVS_STATE:-/run/stentor-lvs}

usage() {
	sed -n '4,9s/^#   //p' "$0" >&2
	exit 2
}

die() {
	echo "director: $*" >&2
	exit 1
}

# run does a command that changes something.
run() {
	if [ "$dry" = yes ]; then
		echo "$*"
	else
		"$@"
	fi
}

# number checks that a word is a whole number in a range, and written in one way: 08 is octal to some programs, and no
# number at all to others.
number() {
	case $2 in '' | 0?* | *[!0-9]* | ??????????*) die "$1: found '$2', allowed: $3 to $4" ;; esac
	if [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then
		die "$1: found '$2', allowed: $3 to $4"
	fi
}

# address checks that a word is an IPv4 address that a host may have.
address() {
	case $2 in *:*) die "$1: found '$2', allowed: an IPv4 address (IPv6 is not supported here)" ;; esac
	case $2 in *[!0-9.]* | *..* | .* | *. | '') die "$1: found '$2', allowed: an IPv4 address" ;; esac
	rest=$2.
	parts=0
	while [ -n "$rest" ]; do
		number "$1" "${rest%%.*}" 0 255
		rest=${rest#*.}
		parts=$((parts + 1))
	done
	[ "$parts" = 4 ] || die "$1: found '$2', allowed: an IPv4 address"
	first=${2%%.*}
	if [ "$first" = 0 ] || [ "$first" -ge 224 ]; then
		die "$1: found '$2', allowed: the IPv4 address of a host, which neither 0.0.0.0/8 nor multicast and above are"
	fi
}

[ $# -gt 0 ] || usage
action=$1
shift
vip='' port='' dev='' nodes='' scheduler=wlc weight=100 idle=1800 health='' interval=2 fall=3 dry=no
while [ $# -gt 0 ]; do
	option=$1
	shift
	case $option in
	--dry-run)
		dry=yes
		continue
		;;
	--vip | --port | --dev | --node | --scheduler | --weight | --idle | --health-port | --interval | --fall) ;;
	*) usage ;;
	esac
	[ $# -gt 0 ] || die "$option: its value is missing"
	value=$1
	shift
	case $option in
	--vip) address --vip "$value" && vip=$value ;;
	--port) number --port "$value" 1 65535 && port=$value ;;
	--dev) dev=$value ;;
	--node)
		address --node "$value"
		case "$nodes " in *" $value "*) die "--node: $value is given twice" ;; esac
		nodes="$nodes $value"
		;;
	--scheduler) scheduler=$value ;;
	--weight) number --weight "$value" 1 65535 && weight=$value ;;
	--idle) number --idle "$value" 60 86400 && idle=$value ;;
	--health-port) number --health-port "$value" 1 65535 && health=$value ;;
	--interval) number --interval "$value" 1 3600 && interval=$value ;;
	--fall) number --fall "$value" 1 100 && fall=$value ;;
	esac
done
if [ -z "$vip" ] || [ -z "$port" ]; then
	die "give --vip and --port"
fi
case "$nodes " in *" $vip "*) die "--node: $vip is the virtual address itself; give the node's own" ;; esac
# A name that begins with - would be an option of ip and ipvsadm; . and .. are directories of sysctl's.
case "$dev" in -* | . | .. | *[!A-Za-z0-9_.@-]* | ????????????????*) die "--dev: found '$dev', allowed: up to 15 letters, digits and _ . @ -" ;; esac
case "$scheduler" in '' | -* | *[!A-Za-z0-9_-]*) die "--scheduler: found '$scheduler', allowed: letters, digits and _ -" ;; esac

service=$vip:$port
file=$state/$service # a line for each node: address, weight, and "drained" when an operator took it out

ipvs() {
	command -v ipvsadm >/dev/null || die "ipvsadm is missing (Debian, RHEL: package ipvsadm)"
	run ipvsadm "$@"
}

# knows reports whether the kernel has the service, or a node of it.
knows() {
	ipvsadm -L -n -t "$service" 2>/dev/null | grep -q -- "${1:-TCP  *$service }"
}

# put adds a node, or changes its weight.
put() {
	if [ "$dry" = no ] && knows "-> $1:$port "; then
		ipvs -e -t "$service" -r "$1:$port" -g -w "$2"
	else
		ipvs -a -t "$service" -r "$1:$port" -g -w "$2"
	fi
}

# remember writes the line of a node in place of the one that is there.
remember() {
	[ "$dry" = no ] || return 0
	mkdir -p "$state"
	{ grep -v "^$1 " "$file" 2>/dev/null || true; echo "$*"; } >"$file.new"
	mv "$file.new" "$file"
}

needs_node() {
	[ -n "$nodes" ] || die "$action needs --node"
}

# needs_known_nodes refuses a slip of the pen, which would become a node.
needs_known_nodes() {
	needs_node
	[ "$dry" = no ] || return 0
	for node in $nodes; do
		grep -q "^$node " "$file" 2>/dev/null || die "--node: $node is no node of $service; up adds nodes"
	done
}

up() {
	needs_node
	[ -n "$dev" ] || die "up needs --dev, the interface towards clients and nodes"
	if [ "$dry" = no ] && [ ! -e /proc/net/ip_vs ]; then
		modprobe ip_vs || die "the kernel has no ip_vs (module ip_vs)"
	fi
	# The entry of a client whose node is gone ends with its next packet, instead of after the idle time.
	run sysctl -q -w net.ipv4.vs.expire_nodest_conn=1
	# The frames of clients are not to be answered with "go to the node yourself".
	# With slashes: the name of an interface may have a dot (eth0.100).
	run sysctl -q -w net/ipv4/conf/all/send_redirects=0 "net/ipv4/conf/$dev/send_redirects=0"
	ipvs --set "$idle" 60 60
	if [ "$dry" = no ] && knows; then
		ipvs -E -t "$service" -s "$scheduler"
	else
		ipvs -A -t "$service" -s "$scheduler"
	fi
	for node in $nodes; do
		put "$node" "$weight"
		remember "$node" "$weight"
	done
	# Last, so that nobody is turned away before.
	if [ "$dry" = yes ] || ! ip -o address show dev "$dev" | grep -q " $vip/"; then
		run ip address add "$vip/32" dev "$dev"
		[ "$dry" = yes ] || : >"$file.address"
	fi
	if command -v arping >/dev/null; then # neighbours learn at once where the address is now
		run arping -q -U -c 2 -I "$dev" "$vip" || true
	fi
}

down() {
	if [ -n "$dev" ] && { [ "$dry" = yes ] || [ -e "$file.address" ]; }; then
		run ip address del "$vip/32" dev "$dev" || true
	fi
	if [ "$dry" = yes ] || knows; then
		ipvs -D -t "$service"
	fi
	[ "$dry" = yes ] || rm -f "$file" "$file".*
}

status() {
	command -v ipvsadm >/dev/null || die "ipvsadm is missing (Debian, RHEL: package ipvsadm)"
	knows || die "$service is not up"
	ipvsadm -L -n -t "$service"
	if [ -e "$file" ]; then
		echo "Nodes (address, weight, state):"
		cat "$file"
	fi
}

# ready asks a node's API. 0: ready. 1: it answers, and is not ready. 2: it does not answer.
ready() {
	if command -v curl >/dev/null; then
		code=$(curl -s -o /dev/null -m 2 -w '%{http_code}' "http://$1:$health/readyz") || return 2
		[ "$code" = 200 ] || return 1
		return 0
	fi
	# Debian's busybox has a wget whose -T crashes, and GNU's tries again twenty times.
	answer=$({ timeout 2 wget -q -O /dev/null "http://$1:$health/readyz"; echo "=$?"; } 2>&1)
	# GNU's wget ends with 8 for an answer that is an error; busybox's says so.
	case $answer in *=0) return 0 ;; *=8 | *HTTP/1*) return 1 ;; esac
	return 2
}

# answers reports whether a node that answered with $2 counts as answering: one that is busy may miss a look or two.
answers() {
	if [ "$2" != 2 ]; then
		rm -f "$file.$1.missed"
		return 0
	fi
	missed=$(($(cat "$file.$1.missed" 2>/dev/null || echo 0) + 1))
	echo "$missed" >"$file.$1.missed"
	[ "$missed" -lt "$fall" ]
}

# look does what the state of the nodes asks for: not ready, weight 0, so that clients stay and none come; no answer for
# long, out of the table, so that its clients find out and go elsewhere.
look() {
	while read -r node full drained; do
		[ "${drained:-}" != drained ] || continue
		now=0
		ready "$node" || now=$?
		if answers "$node" "$now" && [ "$now" = 2 ]; then
			continue
		fi
		[ "$now" != "$(cat "$file.$node" 2>/dev/null || echo unknown)" ] || continue
		case $now in
		0) put "$node" "$full" ;;
		1) put "$node" 0 ;;
		2) ! knows "-> $node:$port " || ipvs -d -t "$service" -r "$node:$port" ;;
		esac
		echo "$now" >"$file.$node"
		echo "director: $node is $(case $now in 0) echo ready ;; 1) echo "not ready, no new clients" ;; 2) echo "gone, out of the table" ;; esac)"
	done <"$file"
}

watch() {
	[ -n "$health" ] || die "watch needs --health-port, the port of the nodes' API"
	[ -e "$file" ] || die "$service is not up"
	rm -f "$file".*.*.*.* # what is known of the nodes, which may have changed
	while [ -e "$file" ]; do
		look
		sleep "$interval"
	done
}

case $action in
up) up ;;
down) down ;;
status) status ;;
drain)
	needs_known_nodes
	for node in $nodes; do
		put "$node" 0
		remember "$node" "$weight" drained
	done
	;;
resume)
	needs_known_nodes
	for node in $nodes; do
		put "$node" "$weight"
		remember "$node" "$weight"
	done
	;;
watch) watch ;;
*) usage ;;
esac
