#!/bin/sh
# boot.sh DIR GROUPS, in namespaces of its own: boots systemd in a root made of this system's programs and DIR, which is
# /test there. It runs DIR/judge.sh and ends. GROUPS is v2 or v1, the version of control groups.
#
# A namespace of control groups begins at those that DIR/enter enters. Who waits for systemd leaves them by DIR/leave, since
# in the second version a group with groups below it may have no processes.
set -eu
if [ "$#" = 2 ]; then
	. "$1/enter"
	exec /usr/bin/unshare -m -C -i -u -n sh -c '. "$1/leave"; exec /usr/bin/unshare -p -f --kill-child sh "$1/boot.sh" "$1" "$2" inside' sh "$1" "$2"
fi
. "$1/enter"
dir=$1 groups=$2 root=$1/root
mount --make-rprivate /
mkdir "$root"
mount -t tmpfs -o mode=755 root "$root"
cd "$root"
mkdir usr etc etc/systemd proc sys dev run tmp var root test
for link in bin sbin lib lib64; do
	if [ -L "/$link" ]; then cp -P "/$link" .; else mkdir "$link" && mount --bind "/$link" "$link"; fi
done
mount --rbind /usr usr
mount -o remount,bind,ro usr
units=usr/lib/systemd/system
mount -t tmpfs units "$units" # none of this system's
mount -t tmpfs local usr/local/lib
mount --bind "$dir" test
chmod 755 test/ran.sh
mount --bind test/ran.sh usr/bin/true
mount -t proc proc proc
cat proc/sys/kernel/pid_max >test/pid_max
cat proc/sys/kernel/threads-max >test/threads-max
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys # systemd raises some, of this kernel
for at in run tmp dev sys; do mount -t tmpfs -o mode=755 "$at" "$at"; done
for device in null zero full random urandom tty; do
	: >"dev/$device"
	mount --bind "/dev/$device" "dev/$device"
done
mkdir -p sys/fs/cgroup
if [ "$groups" = v2 ]; then
	mount -t cgroup2 cgroup2 sys/fs/cgroup
else
	mkdir sys/fs/cgroup/systemd sys/fs/cgroup/memory sys/fs/cgroup/pids
	mount -t cgroup -o none,name=systemd systemd sys/fs/cgroup/systemd
	mount -t cgroup -o memory memory sys/fs/cgroup/memory
	mount -t cgroup -o pids pids sys/fs/cgroup/pids
fi
echo root:x:0:0:root:/root:/bin/sh >etc/passwd
echo root:x:0: >etc/group
echo ID=test >etc/os-release
echo 5e57e57e57e57e57e57e57e57e57e57e >etc/machine-id
# What no file of the unit says shall show.
printf '[Manager]\nDefaultTasksMax=infinity\nDefaultLimitNOFILE=1024:4242\n' >etc/systemd/system.conf
for target in basic sysinit shutdown; do echo '[Unit]' >"$units/$target.target"; done
printf '[Unit]\nWants=judge.service\n' >"$units/default.target"
printf '[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/sh /test/judge.sh\nStandardOutput=file:/test/judge.out\nStandardError=file:/test/judge.out\n' >"$units/judge.service"
mkdir "$units/judge.service.d" # what a case has for all services is not for this one
printf '[Service]\nTasksMax=infinity\nLimitNOFILE=4242\n' >"$units/judge.service.d/zzz.conf"
mount --move . /
exec chroot . env -i container=test PATH=/usr/bin:/usr/sbin:/bin:/sbin /usr/lib/systemd/systemd --log-target=console --log-level=notice --show-status=0 </dev/null
