#!/bin/sh
# Compares this host's settings with the needs of a number of connections. `stentor doctor` does the same and more.
set -eu
program=tuning/check.sh
self=$0
while [ -L "$self" ]; do # the other files are beside the script, not beside a link to it
	link=$(readlink "$self")
	case $link in /*) self=$link ;; *) self=$(dirname "$self")/$link ;; esac
done
here=$(unset CDPATH && cd "$(dirname "$self")" && pwd)
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$here/common.sh"
# shellcheck source-path=SCRIPTDIR source=settings.sh
. "$here/settings.sh"

usage() {
	cat <<'TEXT'
check.sh --connections N [--outgoing] [--pid PID] [--root DIR]

Checks every setting that matters for N connections, and explains each that is not ok. Changes nothing. A setting that is
short bounds their number; one that is too low, too high, unset or differs makes them slow or costly; an unknown one cannot
be read.

  --outgoing  the host also opens connections: a proxy or stentor-bench runs on it
  --pid PID   check the limits and the environment of this process (default: this shell's, and the unit's files)
  --root DIR  look at DIR/proc, DIR/sys and DIR/etc (also: STENTOR_TUNING_ROOT)

Exit status: 0 all is well, 1 some settings should be changed, 2 the command line is wrong.
TEXT
}

allowed="--connections --outgoing --pid --root"
arguments "$@"
facts

shorts=0 others=0 unknowns=0 all=0

# put checks one setting. settings calls it for each.
put() {
	kind=$1 name=$2 path=$3 rules=$4 value=$5
	is='' where='' unset=unknown
	case $kind in
	memory) is=$available ;;
	sysctl | sys | module) present "$path" && is=$it ;;
	rlimit) of_login ;;
	systemd)
		of_unit
		is=$it
		;;
	environment)
		[ -n "$pid$(unit_files "$root/$dropin_file" | sed -n 1p)" ] && unset=ok
		if [ "$unset$name" = okGOMEMLIMIT ] && [ "$connections" -ge "$many" ]; then unset='unset'; fi
		of_environment
		is=$it
		;;
	service) is=$(running "$name") ;;
	socket)
		report ok "set by the node"
		return
		;;
	esac
	if [ -z "$is" ]; then
		report "$unset" "not set"
		return
	fi
	mebibytes "$name" "$is"
	verdict=ok
	met "$rules" "$it" "$value" || case $? in
	1) misses ;;
	*) verdict=unknown ;;
	esac
	report "$verdict" "$is"
}

# misses sets verdict: how a value fails its rule. met_rules begins with the rule that is not met.
misses() {
	explain "$name"
	case $kind$limits${met_rules%%,*} in
	service*) verdict=unknown ;; # interrupts may have been spread in another way
	*1*) verdict=short ;;
	*atleast) verdict='too low' ;;
	*atmost) verdict='too high' ;;
	*) verdict=differs ;;
	esac
}

# of_login: the limit of the process, or, where that suffices and an entry gives logins less, the limit of the next login.
of_login() {
	is=$(open_files)
	if [ -n "$pid" ] || ! short_login "$value"; then return 0; fi
	if [ -n "$is" ] && met "$rules" "$is" "$value"; then is=$entry; fi
}

# of_unit: the value of a unit's key, or a running process's actual limit.
of_unit() {
	case $pid$name in
	[0-9]*LimitNOFILE) it=$(open_files) ;;
	[0-9]*TasksMax)
		group_limit pids pids.max pids.max
		it=${it:-infinity}
		;;
	*) unit_value systemd "$name" ;;
	esac
}

of_environment() {
	if [ -z "$pid" ]; then
		unit_value environment "$name"
	else
		it=$(tr '\0' '\n' <"$root/proc/$pid/environ" | sed -n "s/^$name=//p" | sed -n '$p')
	fi
}

running() {
	if cat "$root"/proc/[0-9]*/comm 2>/dev/null | grep -qx "$1"; then say running; else say "not running"; fi
}

# report VERDICT IS: prints a line, and the reasons unless VERDICT is ok.
report() {
	all=$((all + 1))
	printf '%-8s %s: %s' "$1" "$name" "$2"
	case $1 in
	ok) printf '\n' ;;
	*)
		readable "$rules" "$value"
		printf ', should be %s\n' "$it"
		explain "$name"
		[ -z "$where" ] || printf '        set in:   %s\n' "${where#"$root"}"
		printf '        why:      %s\n        without:  %s\n        source:   %s\n' "$why" "$below" "$source"
		;;
	esac
	case $1 in
	ok) ;;
	unknown) unknowns=$((unknowns + 1)) ;;
	short) shorts=$((shorts + 1)) ;;
	*) others=$((others + 1)) ;;
	esac
}

fits=$(fit)
settings
say
say "$connections connections on $((available / 1024)) MiB and $cores cores ($fits fit): $all settings, $shorts short, $others to be changed, $unknowns unknown"
[ "$((shorts + others))" -gt 0 ] || exit 0
more=''
[ "$outgoing" = 0 ] || more=' --outgoing'
say "to set them: sudo $here/apply.sh --connections $connections$more"
exit 1
