#!/bin/sh
# A node behind LVS with direct routing, see director.sh. The node takes packets for the virtual address without ever
# telling the network that it has it: otherwise clients would find this node alone, past the director.
#
#   realserver.sh up     --vip 192.0.2.10
#   realserver.sh status --vip 192.0.2.10
#   realserver.sh down   --vip 192.0.2.10
#
# up sets, and down puts back as it was:
#   - the virtual address as a /32 of lo, so that packets for it are this host's;
#   - arp_ignore=1 of all interfaces: ARP requests are answered for addresses of the interface alone on which they come,
#     and none come on lo;
#   - arp_announce=2: nor does the node name the virtual address in requests of its own.
# The server listens on 0.0.0.0 or the virtual address, on the director's port, and answers clients through this host's
# own gateway. Take the node out with "director.sh drain" before it stops, or let the node's SIGTERM close its clients.
#
# --dry-run says what would be done.
set -eu

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

# run does a command that changes something.
run() {
	if [ "$dry" = yes ]; then
		echo "$*"
	else
		"$@"
	fi
}

# number checks that a word is a part of an IPv4 address.
number() {
	case $1 in '' | *[!0-9]* | ????*) die "--vip: allowed: an IPv4 address" ;; esac
	[ "$1" -le 255 ] || die "--vip: allowed: an IPv4 address"
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
case $vip in *[!0-9.]* | *.*.*.*.* | .* | *.) die "--vip: found '$vip', allowed: an IPv4 address" ;; *.*.*.*) ;; *) die "--vip: found '$vip', allowed: an IPv4 address" ;; esac
rest=$vip.
while [ -n "$rest" ]; do
	number "${rest%%.*}"
	rest=${rest#*.}
done

file=$state/realserver # the settings as they were; one for all virtual addresses

# set_key writes a setting and keeps what was, unless an earlier up did.
set_key() {
	was=$(cat "$conf/$1")
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
	[ "$dry" = yes ] || mkdir -p "$state"
	# First: the address must never be on lo while ARP would tell of it.
	for part in all lo; do
		set_key "$part/arp_ignore" 1
		set_key "$part/arp_announce" 2
	done
	if [ "$dry" = yes ] || ! has_vip; then
		run ip address add "$vip/32" dev lo scope global
		[ "$dry" = yes ] || : >"$file.$vip"
	fi
}

down() {
	if [ "$dry" = yes ] || { has_vip && [ -e "$file.$vip" ]; }; then
		run ip address del "$vip/32" dev lo
	fi
	[ "$dry" = yes ] || rm -f "$file.$vip"
	for other in "$file".*; do
		[ ! -e "$other" ] || return 0 # another virtual address still needs the settings
	done
	[ -e "$file" ] || return 0
	while read -r key was; do
		write_key "$key" "$was"
	done <"$file"
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
