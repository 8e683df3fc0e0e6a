#!/bin/sh
# The first process of the machine: mounts, modules, the job, its status to the host, off.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null
while read -r module; do
	insmod "/modules/$module" || echo "module $module was not loaded"
done </modules/order
ip link set lo up
hostname stentor-vm
# shellcheck source=/dev/null
. /env
cd /root || exit
sh /job
echo $? >/tmp/status
cd /tmp && out status
poweroff -f
