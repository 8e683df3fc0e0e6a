#!/bin/sh
# Puts back what apply.sh changed: files and running values, as they were before its first run.
set -eu
program=tuning/revert.sh
self=$0
while [ -L "$self" ]; do # the files beside it are where it is, not where a link to it is
	link=$(readlink "$self")
	case $link in /*) self=$link ;; *) self=$(dirname "$self")/$link ;; esac
done
here=$(unset CDPATH && cd "$(dirname "$self")" && pwd)
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$here/common.sh"

usage() {
	cat <<'TEXT'
revert.sh [--dry-run] [--yes] [--root DIR]

Puts back the files and the running values that apply.sh has changed, and forgets that it ever ran.

  --dry-run   show the difference and end
  --yes       do not ask
  --root DIR  work on DIR/proc, DIR/sys, DIR/etc and DIR/var (also: STENTOR_TUNING_ROOT)

Exit status: 0 it is done or nothing was to do, 1 not all of it could be done (run it again), 2 refused.
TEXT
}

allowed="--dry-run --yes --root"
arguments "$@"
if [ ! -d "$state" ]; then
	say "nothing to put back: apply.sh has not run here"
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
agree "Put this back?"

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
	if [ ! -e "$root/$path" ]; then continue; fi # the module or the device is gone, and its setting with it
	if [ "$(cat "$state/values/$path")" = "$(cat "$root/$path")" ]; then continue; fi # files of /proc have no size for cmp
	# As it was read; and where the kernel does not take that ("always [madvise] never"), the chosen word.
	if { cat "$state/values/$path" >"$root/$path"; } 2>/dev/null; then continue; fi
	selected "$(cat "$state/values/$path")"
	if ! put_value "$path" "$it"; then
		complain "/$path could not be put back"
		failed=1
	fi
done <"$stage/values"
reload_units
if [ "$failed" = 1 ]; then
	complain "what was is still in $state"
	exit 1
fi

if [ -e "$state/dirs" ]; then sed '1!G;h;$!d' "$state/dirs" >"$stage/dirs"; else : >"$stage/dirs"; fi
rm -rf "$state"
while read -r directory; do
	rmdir "$root/$directory" 2>/dev/null || : # somebody else keeps something there
done <"$stage/dirs"
say "done: everything is as it was before apply.sh"
