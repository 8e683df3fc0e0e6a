#!/bin/sh
# Restores the files and running values that apply.sh changed, as they were before its first run.
set -eu
program=tuning/revert.sh
self=$0
while [ -L "$self" ]; do # the other files are beside the script, not beside a link to it
	link=$(readlink "$self")
	case $link in /*) self=$link ;; *) self=$(dirname "$self")/$link ;; esac
done
here=$(unset CDPATH && cd "$(dirname "$self")" && pwd)
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$here/common.sh"

usage() {
	cat <<'TEXT'
revert.sh [--dry-run] [--yes] [--root DIR]

Restores the files and the running values that apply.sh has changed, and then removes apply.sh's record of them.

  --dry-run   show the difference and exit
  --yes       do not ask
  --root DIR  work on DIR/proc, DIR/sys, DIR/etc and DIR/var (also: STENTOR_TUNING_ROOT)

Exit status: 0 done, or nothing to do; 1 some changes failed (run it again); 2 refused.
TEXT
}

allowed="--dry-run --yes --root"
arguments "$@"
if [ ! -d "$state" ]; then
	say "nothing to restore: apply.sh has not run here"
	exit 0
fi
[ "$dry_run" = 1 ] || need_root

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$state/values" "$state/files" 2>/dev/null || :

(cd "$state/values" 2>/dev/null && find . -type f | sed 's|^\./||' | sort) >"$stage/values" || :
: >"$stage/before"
: >"$stage/after"
while read -r path; do
	present "$path"
	selected "$it"
	printf '/%s = %s\n' "$path" "$it" >>"$stage/before"
	selected "$(cat "$state/values/$path")"
	printf '/%s = %s\n' "$path" "$it" >>"$stage/after"
done <"$stage/values"
difference "$stage/before" "$stage/after" running-values
for file in $managed; do
	if [ -e "$state/files/$file" ]; then
		difference "$root/$file" "$state/files/$file" "$file"
	elif grep -qxF "$file" "$state/absent" 2>/dev/null; then
		difference "$root/$file" "$stage/none" "$file"
	fi
done
if [ "$dry_run" = 1 ]; then
	say "dry run: nothing was changed"
	exit 0
fi
agree "Restore this?"

for file in $managed; do
	if [ -e "$state/files/$file" ]; then
		mkdir -p "$root/${file%/*}"
		cp -p "$state/files/$file" "$root/$file.new"
		mv "$root/$file.new" "$root/$file"
	elif grep -qxF "$file" "$state/absent" 2>/dev/null; then
		rm -f "$root/$file"
	fi
done

failed=0
while read -r path; do
	if [ ! -e "$root/$path" ]; then continue; fi # its module or device is gone
	if [ "$(cat "$state/values/$path")" = "$(cat "$root/$path")" ]; then continue; fi # not cmp: files of /proc have size 0
	# The value as it was read; where the kernel rejects that ("always [madvise] never"), the selected word.
	if { cat "$state/values/$path" >"$root/$path"; } 2>/dev/null; then continue; fi
	selected "$(cat "$state/values/$path")"
	if ! put_value "$path" "$it"; then
		complain "/$path could not be restored"
		failed=1
	fi
done <"$stage/values"
reload_units
if [ "$failed" = 1 ]; then
	complain "the old values are still in $state"
	exit 1
fi

if [ -e "$state/dirs" ]; then sed '1!G;h;$!d' "$state/dirs" >"$stage/dirs"; else : >"$stage/dirs"; fi
rm -rf "$state"
while read -r directory; do
	rmdir "$root/$directory" 2>/dev/null || : # not empty: it has somebody else's files
done <"$stage/dirs"
say "done: everything is as it was before apply.sh"
