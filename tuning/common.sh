# shellcheck shell=sh disable=SC2034 # the scripts that read this file use its variables
# What check.sh, apply.sh and revert.sh have in common. They source it (.); nobody runs it.
# POSIX sh, and only programs that busybox has too.

# Numbers, order and letters are those of the C locale. With a CDPATH, cd would print where it went.
LC_ALL=C
export LC_ALL
unset CDPATH

say() { printf '%s\n' "$*"; }
complain() { printf '%s: %s\n' "$program" "$*" >&2; }

# refuse exits with 2, before anything was changed.
refuse() {
	complain "$*"
	exit 2
}

# whole_number TEXT MOST: whether TEXT is a number from 1 to MOST, without leading zeros.
whole_number() {
	case $1 in
	'' | 0* | *[!0-9]*) return 1 ;;
	esac
	[ "${#1}" -le 9 ] && [ "$1" -le "$2" ]
}

# arguments reads the command line into connections, outgoing, pid, dry_run, yes and root. allowed lists the script's options.
arguments() {
	connections='' outgoing=0 pid='' dry_run=0 yes=0 root=${STENTOR_TUNING_ROOT:-}
	while [ $# -gt 0 ]; do
		option=$1
		shift
		case $option in
		-h | --help) usage && exit 0 ;;
		--*=*) # --name=value: split it
			set -- "${option#*=}" "$@"
			option=${option%%=*}
			;;
		esac
		case " $allowed " in
		*" $option "*) ;;
		*) refuse "unknown option $option; --help lists them all" ;;
		esac
		case $option in
		--connections | --pid | --root)
			[ $# -gt 0 ] || refuse "$option needs a value"
			;;
		esac
		case $option in
		--connections)
			whole_number "$1" 10000000 || refuse "--connections: found '$1', allowed: 1 to 10000000"
			connections=$1
			shift
			;;
		--pid)
			whole_number "$1" 999999999 || refuse "--pid: found '$1', allowed: a process id"
			pid=$1
			shift
			;;
		--root)
			[ -d "$1" ] || refuse "--root: $1 is not a directory"
			root=$1
			shift
			;;
		--outgoing) outgoing=1 ;;
		--dry-run) dry_run=1 ;;
		--yes) yes=1 ;;
		esac
	done
	root=${root%/}
	state=$root/$state_path
	case " $allowed " in
	*" --connections "*) [ -n "$connections" ] || refuse "--connections is missing, as in --connections 1000000" ;;
	esac
}

# facts sets what the values depend on: memory, available (of it) and page in KiB, cores, conntrack, and nics as NAME:RX:TX.
facts() {
	memory=$(sed -n 's/^MemTotal: *\([0-9]*\) .*/\1/p' "$root/proc/meminfo" 2>/dev/null) || memory=
	[ -n "$memory" ] || refuse "$root/proc/meminfo has no MemTotal; is /proc mounted?"
	available=$memory
	group_limit memory memory.max memory.limit_in_bytes
	if [ -n "$it" ] && [ "$((it / 1024))" -lt "$available" ]; then available=$((it / 1024)); fi
	page=$(sed -n 's/^KernelPageSize: *\([0-9]*\) .*/\1/p' "$root/proc/self/smaps" 2>/dev/null | sed -n 1p) || page=
	[ -n "$page" ] || page=4
	cores=$(grep -c '^processor' "$root/proc/cpuinfo" 2>/dev/null) || cores=1
	conntrack=0
	[ ! -e "$root/proc/sys/net/netfilter/nf_conntrack_max" ] || conntrack=1
	nics=''
	for device in "$root"/sys/class/net/*/device; do
		[ -e "$device" ] || continue
		nic=${device%/device}
		nics="$nics ${nic##*/}:$(count "$nic"/queues/rx-*):$(count "$nic"/queues/tx-*)"
	done
}

# count NAME...: how many of the names exist.
count() {
	if [ -e "$1" ]; then say $#; else say 0; fi
}

# cpumask CORES EVERY FIRST: bits FIRST, FIRST+EVERY, ... below CORES, in words of 32 bits, the highest first.
cpumask() (
	word=0 mask='' cpu=$3
	while [ "$((word * 32))" -lt "$1" ]; do
		bits=0 word=$((word + 1))
		while [ "$cpu" -lt "$1" ] && [ "$cpu" -lt "$((word * 32))" ]; do
			bits=$((bits | 1 << (cpu % 32))) cpu=$((cpu + $2))
		done
		mask=$(printf %08x "$bits")${mask:+,$mask}
	done
	say "$mask"
)

# The next functions return in the variable it: a subshell for each call would make the scripts slow.

# words TEXT: TEXT with single spaces.
words() {
	set -f
	# shellcheck disable=SC2048,SC2086 # to be split
	set -- $*
	set +f
	it=$*
}

# selected TEXT: the word in brackets of "always [madvise] never", else TEXT with single spaces.
selected() {
	case $1 in
	*\[*\]*) it=${1#*\[} it=${it%%\]*} ;;
	*) words "$1" ;;
	esac
}

# number TEXT: TEXT as a number that the shell can compare; "" when it is not a number.
number() {
	case $1 in
	unlimited | infinity) it=999999999999999999 ;;
	'' | *[!0-9]*) it='' ;;
	*) if [ "${#1}" -gt 18 ]; then it=999999999999999999; else it=$1; fi ;;
	esac
}

# suffices RULE HAVE WANT: compares two numbers.
suffices() {
	case $1 in
	atleast) [ "$2" -ge "$3" ] ;;
	atmost) [ "$2" -le "$3" ] ;;
	*) false ;;
	esac
}

# met RULES IS VALUE: 0 when IS suffices, 1 when it does not, 2 when they cannot be compared.
met() {
	met_rules=$1 met_value=$3
	selected "$2"
	[ -n "$it" ] || return 2
	case $met_rules in
	oneof)
		for w in $met_value; do
			[ "$w" != "$it" ] || return 0
		done
		return 1
		;;
	mask)
		case $it in *[!0,]*) return 0 ;; esac
		return 1
		;;
	esac
	# shellcheck disable=SC2086 # fields; number checks each of them
	set -- $it
	for w in $met_value; do
		number "${1:-}"
		[ -n "$it" ] || return 2
		suffices "${met_rules%%,*}" "$it" "$w" || return 1
		met_rules=${met_rules#*,}
		shift
	done
	[ $# -eq 0 ] || return 2
}

# merge RULES IS VALUE: what to set; fields of IS that suffice stay as they are.
merge() {
	merge_rules=$1 merge_value=$3 merged=''
	case $merge_rules in oneof | mask)
		it=${merge_value%% *}
		return
		;;
	esac
	words "$2"
	# shellcheck disable=SC2086 # fields
	set -- $it
	for w in $merge_value; do
		number "${1:-}"
		if [ -n "$it" ] && suffices "${merge_rules%%,*}" "$it" "$w"; then w=$1; fi
		merge_rules=${merge_rules#*,}
		merged="$merged $w"
		[ $# -eq 0 ] || shift
	done
	words "$merged"
}

# present FILE: the content of a file of /proc or /sys; "" when it cannot be read. (The shell's read reads byte by byte,
# and of such a file the kernel gives only the first.)
present() {
	it=$(cat "$root/$1" 2>/dev/null) || it=''
	words "$it"
}

# group_limit CONTROLLER V2 V1: sets it to the lowest limit among the control group of $pid (or of this script) and its
# parents; "" when there is none. V2 and V1 are the names of the files: in version 2 of control groups all controllers share
# one hierarchy, in version 1 each has its own. The root group is read too: it may be a container's own group. A host's root
# group has no such file, or no limit in it.
group_limit() {
	least=''
	while IFS=: read -r hierarchy controllers group; do
		directory=sys/fs/cgroup file=$2
		if [ "$hierarchy:$controllers" != 0: ]; then
			case ",$controllers," in
			*",$1,"*) directory=$directory/$1 file=$3 ;;
			*) continue ;;
			esac
		fi
		# A path outside of the namespace begins with /..: only the root group can be read.
		case $group/ in /../*) group='' ;; esac
		group=${group%/}
		while :; do
			present "$directory$group/$file"
			case $it in
			'' | *[!0-9]*) ;;
			*)
				number "$it"
				if [ -z "$least" ] || [ "$it" -lt "$least" ]; then least=$it; fi
				;;
			esac
			[ -n "$group" ] || break
			group=${group%/*}
		done
	done <<-GROUPS
		$(cat "$root/proc/${pid:-self}/cgroup" 2>/dev/null)
	GROUPS
	it=$least
}

# mebibytes NAME VALUE: GOMEMLIMIT in MiB; "off" is unlimited. Other variables, and values that Go refuses, are unchanged.
mebibytes() {
	it=$2
	[ "$1" = GOMEMLIMIT ] || return 0
	case $2 in
	off)
		it=unlimited
		return
		;;
	*KiB) amount=${2%KiB} unit=1024 ;;
	*MiB) amount=${2%MiB} unit=1048576 ;;
	*GiB) amount=${2%GiB} unit=1073741824 ;;
	*TiB) amount=${2%TiB} unit=1099511627776 ;;
	*) amount=${2%B} unit=1 ;;
	esac
	case $amount in '' | *[!0-9]*) return 0 ;; esac
	amount=${amount#"${amount%%[!0]*}"} # leading zeros would make it octal
	if [ "${#amount}" -gt 18 ] || [ "${amount:-0}" -gt "$((9223372036854775807 / unit))" ]; then return 0; fi
	it=$((${amount:-0} * unit / 1048576))
}

# open_files: the hard limit of descriptors of $pid, or of this script.
open_files() { sed -n 's/^Max open files *[^ ]* *\([^ ]*\).*/\1/p' "$root/proc/${pid:-self}/limits" 2>/dev/null || :; }

# limit_entry DOMAIN [OURS]: sets it to the hard limit of descriptors that limits.conf(5) gives DOMAIN ("*" or root), and
# where to the file with that entry; both are "" without an entry. limits.conf comes first, then limits.d in the order of the
# C locale, and the last entry wins. "*" does not apply to root. The file OURS, which need not exist, is read in place of the
# one that apply.sh writes.
limit_entry() {
	entry='' where=''
	while IFS= read -r conf; do
		follow "$conf"
		if [ "$conf" = "$root/$limits_file" ]; then it=${2-"$it"}; fi
		[ -f "$it" ] || continue
		it=$(awk -v domain="$1" '
			{
				sub(/#.*/, "")
				gsub(/[\r\013\014]/, " ")
				if (NF < 4 || $1 != domain || tolower($2) !~ /^(hard|-)$/ || tolower($3) != "nofile") next
				value = tolower($4)
				if (value ~ /^(-1|unlimited|infinity)$/) last = "unlimited"
				else if (match(value, /^[0-9]+/)) last = substr(value, 1, RLENGTH)
			}
			END { print last }' <"$it" 2>/dev/null) || it=''
		if [ -n "$it" ]; then entry=$it where=$conf; fi
	done <<-FILES
		$root/etc/security/limits.conf
		$(for conf in "$root"/etc/security/limits.d/*.conf "$root/$limits_file"; do say "$conf"; done | sort -u)
	FILES
	it=$entry
}

# short_login WANT [OURS]: whether the entry for "*" or root is below WANT. It sets domain to which of them, and it and where
# as limit_entry does.
short_login() {
	login_want=$1
	shift
	for domain in '*' root; do
		limit_entry "$domain" "$@"
		if [ -n "$it" ] && ! met atleast "$entry" "$login_want"; then
			it=$entry
			return 0
		fi
	done
	it='' where=''
	return 1
}

# The directories with units, highest priority first (systemd.unit(5), "Unit File Load Path").
unit_dirs="etc/systemd/system.control run/systemd/system.control run/systemd/transient run/systemd/generator.early
etc/systemd/system etc/systemd/system.attached run/systemd/system run/systemd/system.attached run/systemd/generator
usr/local/lib/systemd/system lib/systemd/system usr/lib/systemd/system run/systemd/generator.late"

# follow FILE: sets it to the target of a link. Absolute links are resolved below the root.
follow() {
	it=$1
	[ -n "$root" ] || return 0
	hops=0
	while [ -L "$it" ] && [ "$hops" -lt 40 ]; do
		to=$(readlink "$it") hops=$((hops + 1))
		case $to in
		/dev/null) return 0 ;;
		/*) it=$root$to ;;
		*) it=${it%/*}/$to ;;
		esac
	done
}

# unit_files OURS: prints the files of stentor.service in systemd's reading order; none when it is masked. The file OURS,
# which need not exist, is read in place of the one that apply.sh writes.
unit_files() {
	fragment=''
	for directory in $unit_dirs; do
		follow "$root/$directory/stentor.service"
		[ -e "$it" ] || continue
		[ -s "$it" ] || return 0 # /dev/null, or empty
		fragment=$it
		break
	done
	[ -z "$fragment" ] || say "$fragment"
	for of in stentor.service service; do # service.d applies to all services
		for directory in $unit_dirs; do
			for drop in "$root/$directory/$of.d"/*.conf "$root/$directory/$of.d/${dropin_file##*/}"; do
				follow "$drop"
				if [ "$drop" = "$root/$dropin_file" ]; then it=$1; fi
				# A dangling link too hides later files of its name.
				if [ -d "$it" ] || { [ ! -e "$it" ] && [ ! -L "$drop" ]; }; then continue; fi
				say "${drop##*/}/$it"
			done
		done
	done | awk -F/ '!seen[$1]++' | sort -t/ -k1,1 | sed 's|^[^/]*/||'
}

# matching: prints the files below the root that match the patterns on its input, as EnvironmentFile may have them.
matching() {
	(
		cd "$root/." || exit
		IFS=
		while read -r pattern; do
			for match in .$pattern; do
				[ ! -e "$match" ] || say "$root${match#.}"
			done
		done
	)
}

# unit_value KIND NAME [OURS]: sets it to the unit's value of a key or of a variable, and where to the file that sets it.
unit_value() {
	it='' where='' most=''
	units=$(unit_files "${3-"$root/$dropin_file"}")
	[ -n "$units" ] || return 0
	if [ "$1" = environment ]; then
		variables=$(say "$units" | awk -v kind=files -v name= -v most= -f "$here/unit.awk")
		[ -z "$variables" ] || units="$units
EnvironmentFile
$(say "$variables" | matching)"
	else
		present proc/sys/kernel/pid_max
		number "$it"
		most=${it:+$((it - 1))} # the highest number
		present proc/sys/kernel/threads-max
		number "$it"
		if [ -z "$it" ] || [ -z "$most" ] || [ "$it" -lt "$most" ]; then most=${most:+$it}; fi
	fi
	it=$(say "$units" | awk -v kind="$1" -v name="$2" -v most="$most" -f "$here/unit.awk")
	case $it in
	*/*) # the second line
		where=${it#*
}
		it=${it%%
*}
		;;
	esac
}

# readable RULES VALUE: sets it to the value with its rule in words.
readable() {
	readable_rules=$1 it=''
	case $1 in
	mask | -)
		it=$2
		return
		;;
	oneof)
		for w in $2; do it="$it${it:+ or }$w"; done
		return
		;;
	esac
	for w in $2; do
		case ${readable_rules%%,*} in
		atleast) it="$it${it:+, }at least $w" ;;
		atmost) it="$it${it:+, }at most $w" ;;
		esac
		readable_rules=${readable_rules#*,}
	done
}

# difference OLD NEW NAME: a unified diff of two files, either of which may be missing.
difference() {
	old=$1 new=$2
	[ -e "$old" ] || old=/dev/null
	[ -e "$new" ] || new=/dev/null
	if cmp -s "$old" "$new"; then return 0; fi
	from=a/$3 to=b/$3
	if [ "$old" = /dev/null ]; then from=/dev/null; fi
	if [ "$new" = /dev/null ]; then to=/dev/null; fi
	if command -v diff >/dev/null 2>&1; then
		diff -u -L "$from" -L "$to" "$old" "$new" || :
		return 0
	fi
	# Without diff: all old lines out, all new lines in, which is a valid diff too.
	say "--- $from"
	say "+++ $to"
	say "@@ -$(extent "$old") +$(extent "$new") @@"
	sed 's/^/-/' "$old"
	sed 's/^/+/' "$new"
}

# extent FILE: prints the first line and the number of lines in a diff's form.
extent() {
	lines=$(($(wc -l <"$1")))
	if [ "$lines" = 0 ]; then say 0,0; else say "1,$lines"; fi
}

# agree QUESTION: asks, unless --yes was given. Any answer but yes exits with 1.
agree() {
	[ "$yes" = 0 ] || return 0
	printf '%s [y/N] ' "$1"
	answer=''
	read -r answer || say
	case $answer in
	y | Y | yes | Yes | YES) return 0 ;;
	esac
	say "nothing was changed"
	exit 1
}

# need_root exits unless the user may write to the host's files.
need_root() {
	if [ -z "$root" ] && [ "$(id -u)" != 0 ]; then refuse "this needs root: sudo $0"; fi
}

# put_value PATH VALUE: writes a file of /proc or /sys.
put_value() { { printf '%s\n' "$2" >"$root/$1"; } 2>/dev/null; }

# What the scripts write, below the root. 99-zz comes after 99-sysctl.conf, which is /etc/sysctl.conf.
state_path=var/lib/stentor-tuning
sysctl_file=etc/sysctl.d/99-zz-stentor.conf
limits_file=etc/security/limits.d/90-stentor.conf
dropin_file=etc/systemd/system/stentor.service.d/90-stentor-tuning.conf
tmpfiles_file=etc/tmpfiles.d/90-stentor.conf
modprobe_file=etc/modprobe.d/90-stentor.conf
modules_file=etc/modules-load.d/90-stentor.conf
boot_unit=etc/systemd/system/stentor-tuning.service
boot_wants=etc/systemd/system/multi-user.target.d/90-stentor.conf
managed="$sysctl_file $limits_file $dropin_file $tmpfiles_file $modprobe_file $modules_file $boot_unit $boot_wants"

# reload_units makes a running systemd read its files again.
reload_units() {
	if [ -z "$root" ] && [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1; then
		systemctl daemon-reload || complain "systemctl daemon-reload failed; run it by hand"
	fi
}
