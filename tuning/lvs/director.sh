#!/bin/sh
# The director of LVS with direct routing: one address for all nodes; the kernel spreads the connections over them.
#
#   director.sh up     --vip 192.0.2.10 --port 443 --dev eth0 --node 192.0.2.21 --node 192.0.2.22
#   director.sh status --vip 192.0.2.10 --port 443
#   director.sh drain  --vip 192.0.2.10 --port 443 --node 192.0.2.21   # no new clients; its present ones stay
#   director.sh resume --vip 192.0.2.10 --port 443 --node 192.0.2.21
#   director.sh watch  --vip 192.0.2.10 --port 443 --health-port 8081  # removes dead nodes, until it is stopped
#   director.sh down   --vip 192.0.2.10 --port 443 --dev eth0
#
# Clients' packets reach the director, which forwards each frame unchanged to the node's hardware address. Answers go from
# the node straight to the client. So the director needs no sockets, ports or copies, and a broadcast to a million clients
# does not pass through it. This requires that
#   - director and nodes are in one network segment, and realserver.sh has run on every node;
#   - nodes listen on the director's port (ports are not translated), on 0.0.0.0 or the virtual address;
#   - TLS ends on the nodes: at their listeners with the word tls, or at an nginx or HAProxy on each of them;
#   - the director is neither a client nor a node itself.
# Nodes see the clients' own addresses, so listen.trusted_proxies need not name the director.
#
# Two directors share the virtual address with keepalived, and the table of connections with "ipvsadm --start-daemon".
#
# Other options
#   --scheduler wlc   how connections are spread; wlc: to the node with the fewest
#   --weight 100      of a node
#   --idle 1800       seconds after which a silent connection is forgotten; heart-beats are at most 600 s apart
#   --interval 2      seconds between two checks of watch
#   --fall 3          checks in a row without an answer before watch removes a node; its clients are then reset
#   --dry-run         prints what would be done
#
# up may be repeated, with more nodes or another weight. down keeps the kernel's settings, which do no harm.
#
# Memory: one entry for each connection. For a million connections load ip_vs with a table that fits, once, before the
# first use: modprobe ip_vs conn_tab_bits=20
set -eu
LC_ALL=C # letters and digits are ASCII in every locale
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

# run runs a command that changes something.
run() {
	if [ "$dry" = yes ]; then
		echo "$*"
	else
		"$@"
	fi
}

# number checks that a word is a whole number in a range, without leading zeros: 08 is octal to some programs and invalid
# to others.
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
		die "$1: found '$2', allowed: the IPv4 address of a host (not 0.0.0.0/8, multicast or above)"
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
# ip and ipvsadm would take a name that begins with - for an option; sysctl would take . and .. for directories.
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

# remember replaces the line of a node.
remember() {
	[ "$dry" = no ] || return 0
	mkdir -p "$state"
	{ grep -v "^$1 " "$file" 2>/dev/null || true; echo "$*"; } >"$file.new"
	mv "$file.new" "$file"
}

needs_node() {
	[ -n "$nodes" ] || die "$action needs --node"
}

# needs_known_nodes refuses a mistyped address, which would otherwise become a node.
needs_known_nodes() {
	needs_node
	[ "$dry" = no ] || return 0
	for node in $nodes; do
		grep -q "^$node " "$file" 2>/dev/null || die "--node: $node is not a node of $service; up adds nodes"
	done
}

up() {
	needs_node
	[ -n "$dev" ] || die "up needs --dev, the interface towards clients and nodes"
	if [ "$dry" = no ] && [ ! -e /proc/net/ip_vs ]; then
		modprobe ip_vs || die "the kernel has no ip_vs (module ip_vs)"
	fi
	# The entry of a client whose node is gone expires at its next packet, not only after the idle time.
	run sysctl -q -w net.ipv4.vs.expire_nodest_conn=1
	# The kernel must not send ICMP redirects to clients, which would send them to the node directly.
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
	# Last, so that no client is refused while there are no nodes.
	if [ "$dry" = yes ] || ! ip -o address show dev "$dev" | grep -q " $vip/"; then
		run ip address add "$vip/32" dev "$dev"
		[ "$dry" = yes ] || : >"$file.address"
	fi
	if command -v arping >/dev/null; then # tells neighbours at once where the address is now
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

# ready asks a node's API. 0: ready. 1: it answers, but is not ready. 2: it does not answer.
ready() {
	if command -v curl >/dev/null; then
		code=$(curl -s -o /dev/null -m 2 -w '%{http_code}' "http://$1:$health/readyz") || return 2
		[ "$code" = 200 ] || return 1
		return 0
	fi
	# timeout, not -T: with -T the wget of Debian's busybox crashes, and GNU's retries twenty times.
	answer=$({ timeout 2 wget -q -O /dev/null "http://$1:$health/readyz"; echo "=$?"; } 2>&1)
	# For an HTTP error GNU's wget exits with 8; busybox's prints it.
	case $answer in *=0) return 0 ;; *=8 | *HTTP/1*) return 1 ;; esac
	return 2
}

# answers reports whether node $1, whose check returned $2, counts as answering: a busy node may miss a check or two.
answers() {
	if [ "$2" != 2 ]; then
		rm -f "$file.$1.missed"
		return 0
	fi
	missed=$(($(cat "$file.$1.missed" 2>/dev/null || echo 0) + 1))
	echo "$missed" >"$file.$1.missed"
	[ "$missed" -lt "$fall" ]
}

# look checks all nodes. A node that is not ready gets weight 0: its clients stay and no new ones come. A node that has not
# answered for long is removed from the table, so that its clients notice and reconnect to another node.
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
		echo "director: $node is $(case $now in 0) echo ready ;; 1) echo "not ready, no new clients" ;; 2) echo "gone, removed from the table" ;; esac)"
	done <"$file"
}

watch() {
	[ -n "$health" ] || die "watch needs --health-port, the port of the nodes' API"
	[ -e "$file" ] || die "$service is not up"
	rm -f "$file".*.*.*.* # the nodes' recorded states, which may be out of date
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
