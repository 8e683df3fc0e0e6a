// Package vm runs a shell job as root in a virtual machine of its own, for what the host does not allow: a million
// descriptors, kernel modules, network namespaces. It needs qemu, a static busybox and an unpacked kernel package, which deps.sh
// installs to .cache/vm, and no privileges on the host.
//
// The machine boots in seconds from a file system in memory that is created for the run: busybox, the given files with
// their shared libraries, the given kernel modules, and the job. With hardware virtualisation it
// runs at the speed of the host, without (in a machine that is virtual itself) by emulation, some ten times slower.
//
//	m := vm.Machine{Kernel: kernel, Memory: 2 << 30, Job: "uname -a; dmesg > d; out d", Out: "results"}
//	status, err := m.Run(ctx)
//
// In the machine /bin has busybox's commands, the files and the command `out FILE...`, which copies files to
// Machine.Out on the host at once, so that they are there even when the job does not end in time. What the job prints
// goes to Machine.Console, line by line with the time since the start, and to console.log in Machine.Out.
package vm
