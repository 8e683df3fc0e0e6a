#!/bin/sh
# A node behind LVS with direct routing, see director.sh. The node accepts packets for the virtual address, but never
# announces that address to the network: otherwise clients would reach this node directly, past the director.
#
#   realserver.sh up     --vip 192.0.2.10
#   realserver.sh status --vip 192.0.2.10
#   realserver.sh down   --vip 192.0.2.10
#
# up sets, and down restores:
#   - the virtual address as a /32 of lo, so that packets for it are this host's;
#   - arp_ignore=1 of all interfaces: an interface answers ARP requests only for its own addresses, and no request arrives
#     on lo;
#   - arp_announce=2: the node's own ARP requests do not name the virtual address either.
# The server listens on 0.0.0.0 or the virtual address, on the director's port, and answers clients through this host's
# own gateway. Before the node stops, run "director.sh drain", or let its SIGTERM close its clients.
#
# --dry-run prints what would be done.
set -eu
LC_ALL=C # digits are ASCII in every locale
export LC_ALL

state=${STENTOR_LVS_STATE:-/run/stentor-lvs}
conf=${STENTOR_LVS_CONF:-/proc/sys/net/ipv4/conf}

usage() {
	sed -n '5,7s/^#   //p' "$0" >&2
	exit 2
}

die() {
	echo "realserver: $*" >&2
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

# address checks that a word is an IPv4 address that a host may have, without leading zeros: 08 is octal to some programs
# and invalid to others.
address() {
	case $1 in *[!0-9.]* | *..* | .* | *. | '') refuse_address "$1" ;; esac
	rest=$1.
	parts=0
	while [ -n "$rest" ]; do
		part=${rest%%.*}
		case $part in 0?* | ????*) refuse_address "$1" ;; esac
		[ "$part" -le 255 ] || refuse_address "$1"
		rest=${rest#*.}
		parts=$((parts + 1))
	done
	if [ "$parts" != 4 ] || [ "${1%%.*}" = 0 ] || [ "${1%%.*}" -ge 224 ]; then refuse_address "$1"; fi
}

refuse_address() {
	die "--vip: found '$1', allowed: the IPv4 address of a host, without leading zeros"
}

[ $# -gt 0 ] || usage
action=$1
shift
vip='' dry=no
while [ $# -gt 0 ]; do
	case $1 in
	--dry-run) dry=yes ;;
	--vip)
		[ $# -gt 1 ] || die "--vip: its value is missing"
		vip=$2
		shift
		;;
	*) usage ;;
	esac
	shift
done
[ -n "$vip" ] || die "give --vip"
address "$vip"

file=$state/realserver # the settings as they were; one for all virtual addresses

# set_key writes a setting. It keeps the old value unless an earlier up has kept it.
set_key() {
	was=$(cat "$conf/$1") || die "$conf/$1 cannot be read"
	if [ "$dry" = no ] && ! grep -q "^$1 " "$file" 2>/dev/null; then
		echo "$1 $was" >>"$file"
	fi
	write_key "$1" "$2"
}

write_key() {
	if [ "$dry" = yes ]; then
		echo "$conf/$1 = $2"
	else
		echo "$2" >"$conf/$1"
	fi
}

has_vip() {
	ip -o address show dev lo | grep -q " $vip/"
}

up() {
	if [ "$dry" = no ]; then
		mkdir -p "$state"
		# A failed up is undone: without the address the host is not a node, and its ARP settings would stay for ever.
		trap undo EXIT
		trap 'exit 1' HUP INT TERM
	fi
	# First: the address must never be on lo while ARP would announce it.
	for part in all lo; do
		set_key "$part/arp_ignore" 1
		set_key "$part/arp_announce" 2
	done
	if [ "$dry" = yes ] || ! has_vip; then
		[ "$dry" = yes ] || : >"$file.$vip"
		run ip address add "$vip/32" dev lo scope global
	fi
	trap - EXIT HUP INT TERM
}

# undo restores the settings after a failed up, and exits with its status.
undo() {
	status=$?
	trap - EXIT HUP INT TERM
	set +e
	has_vip || rm -f "$file.$vip"
	restore
	echo "realserver: up failed; the settings are as they were" >&2
	[ "$status" != 0 ] || status=1
	exit "$status"
}

down() {
	if [ "$dry" = yes ] || { has_vip && [ -e "$file.$vip" ]; }; then
		run ip address del "$vip/32" dev lo
	fi
	[ "$dry" = yes ] || rm -f "$file.$vip"
	restore
}

# restore restores the settings, unless a virtual address still needs them. The next down retries what failed.
restore() {
	for other in "$file".*; do
		[ ! -e "$other" ] || return 0
	done
	[ -e "$file" ] || return 0
	failed=0
	while read -r key was; do
		write_key "$key" "$was" || failed=1
	done <"$file"
	[ "$failed" = 0 ] || return 1
	[ "$dry" = yes ] || rm -f "$file"
}

status() {
	fine=yes
	if has_vip; then
		echo "ok     $vip is on lo"
	else
		echo "short  $vip is not on lo"
		fine=no
	fi
	for wanted in "arp_ignore 1" "arp_announce 2"; do
		key=${wanted% *}
		is=$(cat "$conf/all/$key")
		if [ "$is" = "${wanted#* }" ]; then
			echo "ok     $key of all is $is"
		else
			echo "short  $key of all is $is, should be ${wanted#* }"
			fine=no
		fi
	done
	[ "$fine" = yes ]
}

case $action in
up) up ;;
down) down ;;
status) status ;;
*) usage ;;
esac
