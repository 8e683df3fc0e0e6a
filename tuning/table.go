package tuning

// definition is a row of the table: a Setting whose value is still a formula.
type definition struct {
	kind   Kind
	name   string // of a row for each queue: with NIC and QUEUE
	when   condition
	rules  []Rule
	value  []formula // its fields; for OneOf see words
	words  string    // the value where it is no number, or "cpus" or "share" (below)
	limits bool
	many   bool // it counts from manyConnections on
	why    string
	below  string
	source string
}

// condition says on which hosts a row counts.
type condition string

const (
	always    condition = ""
	tracked   condition = "conntrack" // the kernel tracks connections
	outgoing  condition = "outgoing"  // Want.Outgoing
	fewQueues condition = "few"       // some NIC has fewer receive queues than the host has cores
	perRX     condition = "rx"        // a row for each receive queue of such a NIC
	perTX     condition = "tx"        // a row for each transmit queue of a NIC with several, and fewer than cores
	spread    condition = "spread"    // some NIC has several queues, and there are several cores
)

// A mask of processors is all of them, or those whose number leaves the queue's number when it is divided by the
// number of queues.
const (
	allCPUs   = "cpus"
	shareCPUs = "share"
)

// named are the quantities that several formulas use, in the order in which they are computed, beside the given ones:
// connections, outgoing (0 or 1), memory and page (KiB), cores, queues (receive queues of the NIC that has the fewest).
var named = []struct {
	name  string
	value formula
	means string
}{
	{"files", parse("connections + 4096"), "descriptors of the node: one a client, and 4,096 for the API, the bus, logs and the clients that are answered 503"},
	{"backlog", parse("min(65535, max(4096, connections / 8))"), "clients that may arrive while an event loop is busy elsewhere"},
	{"pressure", parse("min(memory * 3 / 10, 16384 + connections * (6 + 3 * outgoing))"), "KiB of socket buffers from which the kernel saves: 1.5 pages of 4 KiB a connection, half as many again with its other end, at most 30% of the memory"},
	{"hard", parse("min(memory * 4 / 10, 65536 + connections * (8 + 4 * outgoing))"), "KiB of socket buffers above which it drops: 2 pages a connection, 3 with its other end, at most 40% of the memory"},
}

// plain makes a row with one number.
func plain(kind Kind, name string, when condition, rule Rule, value, why, below, source string) definition {
	return definition{kind: kind, name: name, when: when, rules: []Rule{rule}, value: []formula{parse(value)}, why: why, below: below, source: source}
}

// word makes a row whose value is one of some words.
func word(kind Kind, name string, when condition, words, why, below, source string) definition {
	return definition{kind: kind, name: name, when: when, rules: []Rule{OneOf}, words: words, why: why, below: below, source: source}
}

// fields makes a row of several numbers.
func fields(kind Kind, name string, when condition, rules []Rule, values []string, why, below, source string) definition {
	d := definition{kind: kind, name: name, when: when, rules: rules, why: why, below: below, source: source}
	for _, v := range values {
		d.value = append(d.value, parse(v))
	}
	return d
}

// bounds marks a row that bounds the number of connections.
func bounds(d definition) definition {
	d.limits = true
	return d
}

// manyConnections is from where a host as it comes may be too small. With fewer only what bounds their number counts, and
// what would be wrong for any.
const manyConnections = 10000

// many marks a row that counts from manyConnections on.
func many(d definition) definition {
	d.many = true
	return d
}

const (
	ipSysctl   = "kernel: Documentation/networking/ip-sysctl.rst"
	fsSysctl   = "kernel: Documentation/admin-guide/sysctl/fs.rst"
	vmSysctl   = "kernel: Documentation/admin-guide/sysctl/vm.rst"
	netSysctl  = "kernel: Documentation/admin-guide/sysctl/net.rst"
	conntrack  = "kernel: Documentation/networking/nf_conntrack-sysctl.rst"
	scaling    = "kernel: Documentation/networking/scaling.rst"
	goRuntime  = "https://pkg.go.dev/runtime#hdr-Environment_Variables"
	systemdMan = "systemd.exec(5)"
)

// table has every setting. The order is that in which apply.sh sets them: fs.nr_open comes before the limits that it
// bounds, since a limit above it would keep people from logging in.
var table = []definition{
	bounds(plain(Memory, "memory", always, AtLeast, "524288 + connections * (9 + 5 * outgoing)",
		"KiB: 1 for the node, 4 for the kernel's socket, inode, file and epoll item, 4 for a page of buffer while a broadcast is on its way to everybody, 5 for the other end when that is on this host too (--outgoing); 512 MiB for the system and the node itself",
		"the kernel drops segments, then the OOM killer ends the node and all of its connections", "tuning/README.md")),

	bounds(plain(Sysctl, "fs.nr_open", always, AtLeast, "(files + 1023) / 1024 * 1024",
		"the highest number of descriptors that any process may be allowed; a limit (nofile) above it cannot be set",
		"the unit does not start (step LIMITS), and logins with such a limit fail", "proc_sys_fs(5); "+fsSysctl)),
	bounds(plain(Sysctl, "fs.file-max", always, AtLeast, "files * (2 + 2 * outgoing)",
		"open files of all processes together: the node's, two a connection for a proxy on the same host, and as many again for the rest",
		"accept fails with ENFILE; the node refuses new clients", "proc_sys_fs(5); "+fsSysctl)),
	bounds(plain(Sysctl, "fs.epoll.max_user_watches", always, AtLeast, "files * (1 + outgoing)",
		"descriptors that one user may have in epoll sets; the default is 4% of the memory at 160 bytes each, too few on a small host",
		"epoll_ctl fails with ENOSPC, and what was just accepted is closed", "epoll(7)")),

	plain(Sysctl, "net.core.somaxconn", always, AtLeast, "backlog",
		"queue of completed handshakes of a listening socket; the node asks for all of it when it starts, for each address",
		"when many clients come at once SYNs are dropped, and clients try again after 1 s, 2 s, 4 s", "listen(2); "+ipSysctl),
	many(plain(Sysctl, "net.ipv4.tcp_max_syn_backlog", always, AtLeast, "backlog",
		"queue of handshakes that are not complete yet, of a listening socket",
		"when many clients come at once the kernel turns to SYN cookies, which lose TCP options", "tcp(7); "+ipSysctl)),
	word(Sysctl, "net.ipv4.tcp_syncookies", always, "1 2",
		"a full queue of half-open handshakes is answered with cookies, so that a flood does not shut clients out",
		"a flood of SYNs, or all clients coming back at once, keeps new ones out", ipSysctl),
	word(Sysctl, "net.ipv4.tcp_abort_on_overflow", always, "0",
		"a client that finds the queue full tries again by itself",
		"(when 1) such a client is reset, and its application sees an error", ipSysctl),
	word(Sysctl, "net.ipv4.tcp_timestamps", always, "1 2",
		"round trips are measured well, and SYN cookies keep window scaling",
		"after a storm of connects some connections stay without window scaling", ipSysctl),
	many(plain(Sysctl, "net.core.netdev_max_backlog", always, AtLeast, "min(65536, max(4096, connections / 16))",
		"packets that wait for one processor when they come faster than they are handled: from loopback, from RPS, from old drivers",
		"a broadcast's acknowledgements are dropped and sent again (softnet_stat, second column)", netSysctl)),

	bounds(fields(Sysctl, "net.ipv4.tcp_mem", always, []Rule{AtLeast, AtLeast, AtLeast},
		[]string{"pressure * 3 / 4 / page", "pressure / page", "hard / page"},
		"pages that the buffers of all TCP sockets may take; one with anything queued is charged at least a page, so that a broadcast to all charges one for each",
		"\"TCP: out of memory\" in the kernel's log: segments are dropped and connections are reset in a broadcast", "tcp(7); "+ipSysctl)),
	many(fields(Sysctl, "net.ipv4.tcp_rmem", always, []Rule{AtMost, AtMost, AtLeast}, []string{"4096", "16384", "4194304"},
		"receive buffer of a socket: what it starts with bounds what all clients together can put into the kernel while the node is busy; it grows for those that send much, and Kafka's connections need the maximum",
		"(default above) a storm of CONNECTs takes more buffer; (maximum below) Kafka's connections are slow over long links", "tcp(7)")),
	many(fields(Sysctl, "net.ipv4.tcp_wmem", always, []Rule{AtMost, AtMost, AtLeast}, []string{"4096", "16384", "4194304"},
		"send buffer of a socket: it grows by itself for those that take much; what is not sent yet the node bounds by TCP_NOTSENT_LOWAT",
		"(default above) slow clients keep more in the kernel; (maximum below) large pushes over long links take more round trips", "tcp(7)")),
	many(plain(Sysctl, "net.ipv4.tcp_max_orphans", always, AtLeast, "max(65536, connections * (1 + outgoing))",
		"sockets that the node has closed while the peer has not taken everything: all of them, when it ends, and with --outgoing their other ends",
		"the rest is reset: clients see an error in place of close code 1012, and lose what was on its way", "tcp(7); "+ipSysctl)),
	many(plain(Sysctl, "net.ipv4.tcp_max_tw_buckets", always, AtLeast, "max(65536, connections)",
		"sockets in TIME_WAIT: when the node closes its clients (drain), each is there for a minute, at 256 bytes",
		"\"time wait bucket table overflow\" in the kernel's log, and TIME_WAIT protects fewer connections", "tcp(7); "+ipSysctl)),
	many(word(Sysctl, "net.ipv4.tcp_slow_start_after_idle", always, "0",
		"clients are idle between pushes; without this each push after a pause starts with the smallest window again",
		"a larger push takes several round trips more", ipSysctl)),

	fields(Sysctl, "net.ipv4.ip_local_port_range", outgoing, []Rule{AtMost, AtLeast}, []string{"10000", "65535"},
		"ports of outgoing connections: a proxy's to its nodes, the load generator's, for each pair of addresses, of which connect(2) finds half fast; a node that only accepts needs none. From 10000, so that the usual ports of servers stay free",
		"EADDRNOTAVAIL after 28,232 connections from one address to one address and port", "ip(7); "+ipSysctl),
	word(Sysctl, "net.ipv4.tcp_tw_reuse", outgoing, "1",
		"an outgoing connection may take the port of one in TIME_WAIT after a second; it does nothing for accepted ones",
		"after many clients left, a proxy runs out of ports for a minute", "tcp(7); "+ipSysctl),

	bounds(plain(Sysctl, "net.netfilter.nf_conntrack_max", tracked, AtLeast, "connections * 2 + min(65536, connections)",
		"tracked connections: one a client, those that just ended, and a proxy's second half",
		"\"nf_conntrack: table full, dropping packet\": new clients do not get in, and health checks fail", conntrack)),
	many(plain(Module, "nf_conntrack.hashsize", tracked, AtLeast, "(connections * 2 + min(65536, connections) + 2047) / 2048 * 512",
		"buckets for them: a quarter as many, so that a look-up passes four entries",
		"each packet walks long chains: CPU in nf_conntrack_find", conntrack)),
	many(plain(Sysctl, "net.netfilter.nf_conntrack_tcp_timeout_established", tracked, AtMost, "3600",
		"seconds until a silent connection is forgotten. The node's heart-beats and pings keep live ones known",
		"(5 days by default) clients that vanished fill the table", conntrack)),

	many(plain(Sysctl, "vm.max_map_count", always, AtLeast, "262144",
		"memory areas of a process: Go's heap is split into many when parts of it are advised differently",
		"mmap fails with ENOMEM, and the node ends, with memory still free", vmSysctl)),
	word(Sysctl, "vm.overcommit_memory", always, "0 1",
		"Go and the thread stacks of its C libraries reserve more address space than they use",
		"(when 2) memory is refused while it is free, and the node ends", "proc_sys_vm(5); "+vmSysctl),
	many(plain(Sysctl, "vm.swappiness", always, AtMost, "10",
		"the state of idle clients is cold until a broadcast needs all of it at once",
		"it is swapped out for the page cache, and a broadcast waits for the disk", vmSysctl)),
	many(word(Sys, "kernel/mm/transparent_hugepage/enabled", always, "madvise never",
		"huge pages only for programs that ask: Go's heap and stacks are small pieces",
		"(when always) memory grows by what was only touched, and khugepaged stops the node for milliseconds", "kernel: Documentation/admin-guide/mm/transhuge.rst; https://go.dev/doc/gc-guide#Linux_transparent_huge_pages")),

	many(plain(Sysctl, "net.core.rps_sock_flow_entries", fewQueues, AtLeast, "32768",
		"where packets of a connection go: to the processor whose event loop reads it (RFS)",
		"with RPS alone, packets are handled on another processor than the one that reads them", scaling)),
	{kind: Sys, name: "class/net/NIC/queues/QUEUE/rps_cpus", when: perRX, rules: []Rule{AnyMask}, words: allCPUs, many: true,
		why:   "fewer receive queues than cores: RPS lets all cores do the protocol work",
		below: "one core is at 100% si while others idle", source: scaling},
	many(plain(Sys, "class/net/NIC/queues/QUEUE/rps_flow_cnt", perRX, AtLeast, "32768 / queues",
		"the queue's part of net.core.rps_sock_flow_entries", "RFS is off for this queue", scaling)),
	{kind: Sys, name: "class/net/NIC/queues/QUEUE/xps_cpus", when: perTX, rules: []Rule{AnyMask}, words: shareCPUs, many: true,
		why:   "each core sends through one queue of its own, or shares it with few",
		below: "cores wait for each other's queue locks in a broadcast", source: scaling},
	many(word(Service, "irqbalance", spread, "running",
		"spreads the interrupts of the NIC's queues over the cores (not needed where they were spread by hand, or where the driver does it)",
		"all interrupts on one core", "irqbalance(1)")),

	bounds(plain(Rlimit, "nofile", always, AtLeast, "files",
		"descriptors of the process (hard limit; the node raises the soft one to it). Connections above it, less some 900, are answered 503",
		"clients are answered 503, and the node says at its start how many are possible", "getrlimit(2), limits.conf(5)")),
	bounds(plain(Systemd, "LimitNOFILE", always, AtLeast, "files",
		"the same for the unit: limits.d does not count for services", "as nofile", systemdMan)),
	plain(Systemd, "TasksMax", always, AtLeast, "1024",
		"threads: one an event loop, and those of Go and of the Kafka client; there is none for a connection",
		"\"newosproc\" and \"pthread_create failed\": the node ends", "systemd.resource-control(5)"),
	plain(Environment, "GOMEMLIMIT", always, AtLeast, "(524288 + connections * 3) / 1024",
		"MiB at which the collector works harder: three times what the connections take, and 512 MiB. It is soft; with large histories (history.bytes times projects) give more",
		"(unset) in a storm garbage may grow until the OOM killer comes; (too low) the collector runs without pause", goRuntime),
	plain(Environment, "GOGC", always, AtMost, "30",
		"unset is right: the node takes 30 itself (gc_percent in its configuration), because what it keeps is small and lives long",
		"(more) the same connections take more memory", goRuntime),

	{kind: Socket, name: "TCP_NOTSENT_LOWAT", words: "16384", why: "net.ipv4.tcp_notsent_lowat need not be set: the node sets it on each socket, so that a client that does not read shows at once",
		below: "the kernel would hide 2.8 MB for each such client", source: "tcp(7)"},
	{kind: Socket, name: "SO_KEEPALIVE", words: "off", why: "net.ipv4.tcp_keepalive_* need not be set: heart-beats and pings find peers that vanished (with heartbeat.ping at 0 the node sets 120 s on each socket)",
		below: "(when on) a million idle connections cost 8,000 probes a second and as many answers", source: "tcp(7)"},
}
