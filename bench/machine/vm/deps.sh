#!/bin/sh
# Installs what a virtual machine needs on Debian and what descends from it: qemu, a static busybox, ip, and a kernel, which
# is unpacked to .cache/vm and not installed. What is installed is left alone.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
dir=$root/.cache/vm
missing=""
command -v qemu-system-x86_64 >/dev/null || missing="$missing qemu-system-x86"
command -v ip >/dev/null || missing="$missing iproute2"
command -v busybox >/dev/null && ! ldd "$(command -v busybox)" >/dev/null 2>&1 || missing="$missing busybox-static"
have_kernel() { [ -n "$(find "$dir/boot" -name 'vmlinuz-*' 2>/dev/null)" ]; }
[ -z "$missing" ] && have_kernel && exit 0
command -v apt-get >/dev/null || {
	echo "install by hand:$missing; then unpack a kernel package (boot/vmlinuz-*, lib/modules) to $dir" >&2
	exit 1
}
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get -o DPkg::Lock::Timeout=300 update -q
if [ -n "$missing" ]; then
	# shellcheck disable=SC2086 # several names
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -qy --no-install-recommends $missing
fi
have_kernel && exit 0
package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1)
[ -n "$package" ] || {
	echo "there is no package linux-image-cloud-amd64 here: unpack another kernel package (boot/vmlinuz-*, lib/modules) to $dir" >&2
	exit 1
}
part=$dir.part
rm -rf "$part"
mkdir -p "$part"
(cd "$part" && apt-get download -q "$package" && dpkg-deb -x "$package"_*.deb . && rm "$package"_*.deb)
find "$part" -name '*.ko.xz' -exec unxz {} +
rm -rf "$dir"
mv "$part" "$dir"
