#!/bin/sh
# Sets this host up for a number of connections. It shows what would change and asks. Then it sets that, now and for the
# next boots, and keeps the old values for revert.sh.
set -eu
program=tuning/apply.sh
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
apply.sh --connections N [--outgoing] [--dry-run] [--yes] [--root DIR]

Changes settings that are insufficient for N connections: the running values, and files below /etc for the next boots.
Settings that already suffice stay as they are. The old values are kept in /var/lib/stentor-tuning; revert.sh restores them.

  --outgoing  the host also opens connections: a proxy or stentor-bench runs on it
  --dry-run   show the difference and exit
  --yes       do not ask
  --root DIR  work on DIR/proc, DIR/sys, DIR/etc and DIR/var (also: STENTOR_TUNING_ROOT)

Exit status: 0 done, or nothing to do; 1 some changes failed; 2 refused.
TEXT
}

allowed="--connections --outgoing --dry-run --yes --root"
arguments "$@"
facts
fits=$(fit)
if [ "$connections" -gt "$fits" ]; then
	refuse "$connections connections do not fit into $((available / 1024)) MiB of memory: at most $fits do"
fi
[ "$dry_run" = 1 ] || need_root

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
trap 'exit 1' HUP INT TERM
: >"$stage/changes"
: >"$stage/seen"
: >"$stage/before"
: >"$stage/after"
: >"$stage/unit"

# was PATH: sets the variable it to the value before the first apply.
was() {
	if [ -e "$state/values/$1" ]; then words "$(cat "$state/values/$1")"; else present "$1"; fi
}

# line FILE TEXT...: adds lines to a planned file. A new file begins with a heading.
line() {
	target=$stage/files/$1
	shift
	if [ ! -e "$target" ]; then
		mkdir -p "${target%/*}"
		printf '# For %s connections of Stentor, by tuning/apply.sh. tuning/revert.sh removes it.\n' "$connections" >"$target"
	fi
	printf '%s\n' "$@" >>"$target"
}

# put plans one setting. settings calls it for each.
put() {
	kind=$1 name=$2 path=$3 rules=$4 value=$5
	case $kind in
	sysctl | sys | module) plan_value ;;
	rlimit) plan_limit ;;
	systemd | environment) plan_unit ;;
	esac
}

plan_value() {
	printf '%s\n' "$path" >>"$stage/seen"
	if [ ! -e "$root/$path" ]; then
		say "not on this kernel: $name"
		return
	fi
	was "$path"
	before=$it persists=1
	present "$path"
	now=$it
	if met "$rules" "$before" "$value"; then
		persists=0
		selected "$before"
	else
		merge "$rules" "$before" "$value"
	fi
	wanted=$it
	if [ "$persists" = 1 ]; then persist; fi
	selected "$now"
	if [ "$it" = "$wanted" ]; then return; fi
	# The kernel rounds some values up, and prints masks with another length.
	case $kind in
	sys) if [ "$persists" = 1 ] && met "$rules" "$now" "$wanted"; then return; fi ;;
	module) if [ "$now" -ge "$wanted" ] && [ "$((now - wanted))" -lt "$((page * 128))" ]; then return; fi ;; # a page of buckets
	esac
	change
}

# change plans to set path to wanted.
change() {
	printf '%s|%s|%s|%s\n' "$path" "$name" "$wanted" "$rules" >>"$stage/changes"
	printf '%s = %s\n' "$name" "$now" >>"$stage/before"
	printf '%s = %s\n' "$name" "$wanted" >>"$stage/after"
}

# plan_back plans to restore what an earlier run has set and this run does not need, as with --outgoing earlier and not now.
plan_back() {
	if [ ! -d "$state/values" ]; then return; fi
	for path in $(cd "$state/values" && find . -type f | sed 's|^\./||' | sort); do
		if grep -qxF "$path" "$stage/seen" || [ ! -e "$root/$path" ]; then continue; fi
		was "$path"
		selected "$it"
		wanted=$it name=/$path rules=-
		present "$path"
		now=$it
		selected "$now"
		if [ "$it" != "$wanted" ]; then change; fi
	done
}

# persist plans the files that set the value at the next boot.
persist() {
	case $kind in
	sysctl)
		line "$sysctl_file" "$name = $wanted"
		case $name in
		net.netfilter.*)
			with_boot_unit
			[ -e "$stage/files/$modules_file" ] || line "$modules_file" nf_conntrack # before systemd-sysctl runs
			;;
		esac
		;;
	sys)
		line "$tmpfiles_file" "w /$path - - - - $wanted"
		with_boot_unit
		;;
	module)
		line "$modprobe_file" "options ${name%%.*} ${name#*.}=$wanted"
		line "$tmpfiles_file" "w /$path - - - - $wanted"
		with_boot_unit
		;;
	esac
}

# with_boot_unit plans a unit that sets values again: devices and modules may appear after the early part of the boot.
with_boot_unit() {
	[ ! -e "$stage/files/$boot_unit" ] || return 0
	line "$boot_unit" '[Unit]' 'Description=Kernel settings for Stentor that wait for devices and modules' \
		'After=network.target systemd-sysctl.service systemd-tmpfiles-setup.service' '' '[Service]' 'Type=oneshot' 'RemainAfterExit=yes' \
		"ExecStart=-/bin/sh -c '[ ! -e /$tmpfiles_file ] || systemd-tmpfiles --create /$tmpfiles_file'" \
		"ExecStart=-/bin/sh -c '[ ! -e /$sysctl_file ] || sysctl -q -e -p /$sysctl_file'"
	line "$boot_wants" '[Unit]' "Wants=${boot_unit##*/}"
}

# plan_limit plans the file in limits.d, which applies to logins, unless logins may already open enough files. Where no file
# has a limit, this shell's is assumed.
plan_limit() {
	limit=$(cat "$state/nofile" 2>/dev/null || open_files)
	nofile=$value
	login_was=$(final "$limits_file")
	short=''
	for domain in '*' root; do
		limit_entry "$domain" "$login_was"
		if ! met "$rules" "${entry:-$limit}" "$value"; then short="$short $domain"; fi
	done
	[ -n "$short" ] || return 0
	for domain in '*' root; do
		case $short in
		*"$domain"*) line "$limits_file" "$domain hard nofile $value" ;;
		*) # the sufficient entry may be in the file that is replaced
			limit_entry "$domain" "$login_was"
			if [ "$where" = "$root/$limits_file" ]; then line "$limits_file" "$domain hard nofile $entry"; fi
			;;
		esac
	done
}

# login_in_force FILE: reports files with too low a limit that override FILE, the present or future one in limits.d.
login_in_force() {
	lost=0
	for domain in '*' root; do
		limit_entry "$domain" "$1"
		if [ -z "$entry" ] || met atleast "$entry" "$nofile"; then continue; fi
		if [ "$where" = "$root/$limits_file" ]; then continue; fi # it could not be written, which has been reported
		lost=1
		complain "nofile of logins ($domain) stays $entry, should be at least $nofile: ${where#"$root"} wins over /$limits_file; change it there"
	done
	return "$lost"
}

# in_force LIMITS DROPIN: checks both with login_in_force and unit_in_force.
in_force() {
	all_lost=0
	login_in_force "$1" || all_lost=1
	unit_in_force "$2" || all_lost=1
	return "$all_lost"
}

plan_unit() {
	unit_value "$kind" "$name" "$stage/none" # without ours
	mebibytes "$name" "$it"
	rc=0
	met "$rules" "$it" "$value" || rc=$?
	if [ "$name$it" = GOMEMLIMIT ] && [ "$connections" -lt "$many" ]; then return 0; fi
	case $rc$name in
	1* | 2LimitNOFILE | 2GOMEMLIMIT) ;;
	*) return 0 ;;
	esac
	[ -e "$stage/files/$dropin_file" ] || line "$dropin_file" '[Service]'
	case $kind$name in
	systemd*) line "$dropin_file" "$name=$value" ;;
	*GOMEMLIMIT) line "$dropin_file" "Environment=$name=${value}MiB" ;;
	*) line "$dropin_file" "Environment=$name=$value" ;;
	esac
	printf '%s|%s|%s|%s\n' "$kind" "$name" "$rules" "$value" >>"$stage/unit"
}

# unit_in_force FILE: reports each setting of FILE, the present or future drop-in, that another file overrides.
unit_in_force() {
	lost=0
	while IFS='|' read -r kind name rules value; do
		unit_value "$kind" "$name" "$1"
		mebibytes "$name" "$it"
		if met "$rules" "$it" "$value"; then continue; fi
		is=$it lost=1
		readable "$rules" "$value"
		if [ -n "$where" ]; then
			complain "$name of stentor.service stays $is, should be $it: ${where#"$root"} wins over /$dropin_file; change it there"
		else
			complain "$name of stentor.service is not set by /$dropin_file: the unit is masked, or unsets it"
		fi
	done <"$stage/unit"
	return "$lost"
}

# final PATH: prints the file with the future content of PATH: the planned one, or the one from before the first apply.
final() {
	if [ -e "$stage/files/$1" ]; then
		say "$stage/files/$1"
	elif [ -e "$state/files/$1" ]; then
		say "$state/files/$1"
	elif grep -qxF "$1" "$state/absent" 2>/dev/null; then
		say "$stage/none"
	else
		say "$root/$1"
	fi
}

nofile=0
settings
plan_back
difference "$stage/before" "$stage/after" running-values >"$stage/diff"
differing=''
for file in $managed; do
	difference "$root/$file" "$(final "$file")" "$file" >"$stage/one"
	if [ -s "$stage/one" ]; then differing="$differing $file"; fi
	cat "$stage/one" >>"$stage/diff"
done
if [ ! -s "$stage/diff" ]; then
	in_force "$root/$limits_file" "$root/$dropin_file" || exit 1
	say "nothing to change: the host is set up for $connections connections"
	exit 0
fi
cat "$stage/diff"
# At the next boot the sysctl file that is read last wins.
for file in "$root/etc/sysctl.conf" "$root"/etc/sysctl.d/*.conf; do
	if [ ! -f "$file" ] || [ "$file" = "$root/$sysctl_file" ] || [ ! -f "$stage/files/$sysctl_file" ]; then continue; fi
	while IFS=' ' read -r key equals _; do
		[ "$equals" = "=" ] || continue
		if sed 's/[ 	]//g' "$file" | grep -q "^-\{0,1\}$key="; then say "note: ${file#"$root"} sets $key too, and wins if it is read last (sysctl --system)"; fi
	done <"$stage/files/$sysctl_file"
done
in_force "$(final "$limits_file")" "$(final "$dropin_file")" || say "note: until that is changed, these settings stay insufficient"
if [ "$dry_run" = 1 ]; then
	say "dry run: nothing was changed"
	exit 0
fi
agree "Change this?"

# directory PATH: creates it and its parents, and records which of them it created.
directory() {
	[ ! -d "$root/$1" ] || return 0
	case $1 in */*) directory "${1%/*}" ;; esac
	mkdir "$root/$1"
	say "$1" >>"$made"
}

made=$stage/made
umask 022
directory "$state_path"
if [ -e "$made" ]; then
	cat "$made" >>"$state/dirs"
fi
made=$state/dirs
if [ ! -e "$state/nofile" ]; then open_files >"$state/nofile"; fi

failed=0
while IFS='|' read -r path name wanted rules; do
	if [ ! -e "$state/values/$path" ]; then
		mkdir -p "$state/values/${path%/*}"
		cat "$root/$path" >"$stage/value"
		mv "$stage/value" "$state/values/$path"
	fi
	if ! put_value "$path" "$wanted"; then
		complain "$name could not be set to $wanted: the kernel refuses (read-only in a container, or no permission)"
		failed=1
	else
		present "$path"
		selected "$it"
		if [ "$it" != "$wanted" ] && ! met "$rules" "$it" "$wanted"; then
			complain "$name was set to $wanted and is $(cat "$root/$path")"
			failed=1
		fi
	fi
done <"$stage/changes"

# With a limit above fs.nr_open, logins fail and units do not start.
present proc/sys/fs/nr_open
number "$it"
ceiling=$it
if [ "${ceiling:-0}" -lt "$nofile" ]; then
	complain "fs.nr_open is ${ceiling:-unknown}, below the $nofile descriptors wanted: limits.d and the unit are unchanged"
	failed=1
fi
for file in $differing; do
	case $file in
	"$limits_file" | "$dropin_file") if [ "${ceiling:-0}" -lt "$nofile" ]; then continue; fi ;;
	esac
	if [ ! -e "$state/files/$file" ] && ! grep -qxF "$file" "$state/absent" 2>/dev/null; then
		if [ -e "$root/$file" ]; then
			mkdir -p "$state/files/${file%/*}"
			cp -p "$root/$file" "$state/files/$file"
		else
			say "$file" >>"$state/absent"
		fi
	fi
	source=$(final "$file")
	if [ -e "$source" ]; then
		directory "${file%/*}"
		cat "$source" >"$root/$file.new"
		mv "$root/$file.new" "$root/$file"
	else
		rm -f "$root/$file"
	fi
done
reload_units
in_force "$root/$limits_file" "$root/$dropin_file" || failed=1

say
if [ "$failed" = 1 ]; then say "done, except for what is named above; the old values are in $state"; else say "done; the old values are in $state"; fi
say "now restart the node: it reads its limits and net.core.somaxconn only at its start"
if [ -e "$root/$limits_file" ]; then say "a shell gets its new limit at the next login, or now, as root: ulimit -n $nofile"; fi
exit "$failed"
