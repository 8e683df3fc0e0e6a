package tuning

// definition is a row of the table: a Setting whose value is not computed yet.
type definition struct {
	kind   Kind
	name   string // NIC and QUEUE in it stand for names, in a row for each queue
	when   condition
	rules  []Rule
	value  []formula // one for each field; OneOf has words instead
	words  string    // a value that is not a number, or "cpus" or "share" (below)
	limits bool
	many   bool // it applies from manyConnections on
	why    string
	below  string
	source string
}

// condition says to which hosts a row applies.
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

// A processor mask has all processors, or those whose number modulo the number of queues is the queue's number.
const (
	allCPUs   = "cpus"
	shareCPUs = "share"
)

// named are intermediate values that several formulas use, in the order of their computation. The inputs are connections,
// outgoing (0 or 1), memory and page (KiB), cores, queues (receive queues of the NIC that has the fewest).
var named = []struct {
	name  string
	value formula
	means string
}{
	{"files", parse("connections + 4096"), "descriptors of the node: one for each client, and 4,096 for the API, the bus, logs and clients that are refused with 503"},
	{"backlog", parse("min(65535, max(4096, connections / 8))"), "clients that may arrive while an event loop is busy"},
	{"pressure", parse("min(memory * 3 / 10, 16384 + connections * (6 + 3 * outgoing))"), "KiB of socket buffers above which the kernel shrinks them (memory pressure): 1.5 pages of 4 KiB for each connection, half as many again when its other end is on this host, at most 30% of the memory"},
	{"hard", parse("min(memory * 4 / 10, 65536 + connections * (8 + 4 * outgoing))"), "KiB of socket buffers above which the kernel drops segments: 2 pages for each connection, 3 when its other end is on this host, at most 40% of the memory"},
}

// plain makes a row with one number.
func plain(kind Kind, name string, when condition, rule Rule, value, why, below, source string) definition {
	return definition{kind: kind, name: name, when: when, rules: []Rule{rule}, value: []formula{parse(value)}, why: why, below: below, source: source}
}

// word makes a row whose value is one of several words.
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

// manyConnections is the number from which a host's defaults may be too low. Below it only two kinds of rows apply: those
// that bound the number of connections, and those whose wrong value harms any number.
const manyConnections = 10000

// many marks a row that applies from manyConnections on.
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

// table has every setting, in the order in which apply.sh sets them. fs.nr_open comes before the limits that it bounds: a
// limit above it would keep people from logging in.
var table = []definition{
	bounds(plain(Memory, "memory", always, AtLeast, "524288 + connections * (9 + 5 * outgoing)",
		"KiB: 1 for the node, 4 for the kernel's socket, inode, file and epoll item, 4 for a page of buffer while a broadcast to all is in flight, 5 for the other end when it is on this host too (--outgoing); 512 MiB for the system and the node itself",
		"the kernel drops segments, then the OOM killer kills the node and every connection with it", "tuning/README.md")),

	bounds(plain(Sysctl, "fs.nr_open", always, AtLeast, "(files + 1023) / 1024 * 1024",
		"the highest descriptor limit (nofile) that any process may have",
		"the unit does not start (step LIMITS), and logins with such a limit fail", "proc_sys_fs(5); "+fsSysctl)),
	bounds(plain(Sysctl, "fs.file-max", always, AtLeast, "files * (2 + 2 * outgoing)",
		"open files of all processes together: the node's, two for each connection of a proxy on the same host, and as many again for everything else",
		"accept fails with ENFILE; the node refuses new clients", "proc_sys_fs(5); "+fsSysctl)),
	bounds(plain(Sysctl, "fs.epoll.max_user_watches", always, AtLeast, "files * (1 + outgoing)",
		"descriptors that one user may have in epoll sets; the default is 4% of the memory at 160 bytes each, too few on a small host",
		"epoll_ctl fails with ENOSPC, and the connection that was just accepted is closed", "epoll(7)")),

	plain(Sysctl, "net.core.somaxconn", always, AtLeast, "backlog",
		"accept queue: completed handshakes that wait on a listening socket; at its start the node asks for all of it on each address",
		"when many clients connect at once, SYNs are dropped, and clients retry after 1 s, 2 s, 4 s", "listen(2); "+ipSysctl),
	many(plain(Sysctl, "net.ipv4.tcp_max_syn_backlog", always, AtLeast, "backlog",
		"SYN queue: incomplete handshakes of a listening socket",
		"when many clients connect at once, the kernel falls back to SYN cookies, which lose TCP options", "tcp(7); "+ipSysctl)),
	word(Sysctl, "net.ipv4.tcp_syncookies", always, "1 2",
		"when the SYN queue is full, the kernel answers with cookies, so that a flood does not shut clients out",
		"a flood of SYNs, or all clients reconnecting at once, keeps new clients out", ipSysctl),
	word(Sysctl, "net.ipv4.tcp_abort_on_overflow", always, "0",
		"a client that finds the accept queue full retries by itself",
		"(when 1) such a client is reset, and its application sees an error", ipSysctl),
	word(Sysctl, "net.ipv4.tcp_timestamps", always, "1 2",
		"round trips are measured precisely, and SYN cookies keep window scaling",
		"after a storm of connects, some connections have no window scaling", ipSysctl),
	many(plain(Sysctl, "net.core.netdev_max_backlog", always, AtLeast, "min(65536, max(4096, connections / 16))",
		"packets that wait for one processor when they arrive faster than it handles them: from loopback, from RPS, from old drivers",
		"acknowledgements of a broadcast are dropped and retransmitted (softnet_stat, second column)", netSysctl)),

	bounds(fields(Sysctl, "net.ipv4.tcp_mem", always, []Rule{AtLeast, AtLeast, AtLeast},
		[]string{"pressure * 3 / 4 / page", "pressure / page", "hard / page"},
		"pages that the buffers of all TCP sockets may take; a socket with anything queued is charged at least one page, so a broadcast to all charges one page for each connection",
		"\"TCP: out of memory\" in the kernel's log: during a broadcast, segments are dropped and connections are reset", "tcp(7); "+ipSysctl)),
	many(fields(Sysctl, "net.ipv4.tcp_rmem", always, []Rule{AtMost, AtMost, AtLeast}, []string{"4096", "16384", "4194304"},
		"receive buffer of a socket (minimum, default, maximum): the default bounds what all clients together can queue in the kernel while the node is busy; the buffer of a busy sender grows, and Kafka's connections need the maximum",
		"(default too high) a storm of CONNECTs takes more buffer; (maximum too low) Kafka's connections are slow over long links", "tcp(7)")),
	many(fields(Sysctl, "net.ipv4.tcp_wmem", always, []Rule{AtMost, AtMost, AtLeast}, []string{"4096", "16384", "4194304"},
		"send buffer of a socket (minimum, default, maximum): it grows by itself for a client that receives much; the node bounds its unsent part by TCP_NOTSENT_LOWAT",
		"(default too high) slow clients keep more in the kernel; (maximum too low) large pushes over long links take more round trips", "tcp(7)")),
	many(plain(Sysctl, "net.ipv4.tcp_max_orphans", always, AtLeast, "max(65536, connections * (1 + outgoing))",
		"orphans: sockets that the node has closed before the peer has acknowledged everything; when the node stops that is all of them, and with --outgoing their other ends too",
		"the kernel resets the rest: those clients see an error instead of close code 1012, and lose what was in flight", "tcp(7); "+ipSysctl)),
	many(plain(Sysctl, "net.ipv4.tcp_max_tw_buckets", always, AtLeast, "max(65536, connections)",
		"sockets in TIME_WAIT: when the node closes its clients (drain), each stays in it for a minute, at 256 bytes",
		"\"time wait bucket table overflow\" in the kernel's log, and TIME_WAIT protects fewer connections", "tcp(7); "+ipSysctl)),
	many(word(Sysctl, "net.ipv4.tcp_slow_start_after_idle", always, "0",
		"clients are idle between pushes; when this is 1, each push after a pause starts with the smallest window again",
		"a larger push takes several more round trips", ipSysctl)),

	fields(Sysctl, "net.ipv4.ip_local_port_range", outgoing, []Rule{AtMost, AtLeast}, []string{"10000", "65535"},
		"ports of outgoing connections, a proxy's to its nodes or the load generator's, for each pair of addresses; connect(2) finds half of them fast. A node that only accepts needs none. They begin at 10000, so that the usual ports of servers stay free",
		"EADDRNOTAVAIL after 28,232 connections from one address to one address and port", "ip(7); "+ipSysctl),
	word(Sysctl, "net.ipv4.tcp_tw_reuse", outgoing, "1",
		"an outgoing connection may reuse the port of one that has been in TIME_WAIT for a second; accepted connections are not affected",
		"after many clients have left, a proxy has no free ports for a minute", "tcp(7); "+ipSysctl),

	bounds(plain(Sysctl, "net.netfilter.nf_conntrack_max", tracked, AtLeast, "connections * 2 + min(65536, connections)",
		"tracked connections: one for each client, one for each that has just ended, and a proxy's connections to its nodes",
		"\"nf_conntrack: table full, dropping packet\": new clients cannot connect, and health checks fail", conntrack)),
	many(plain(Module, "nf_conntrack.hashsize", tracked, AtLeast, "(connections * 2 + min(65536, connections) + 2047) / 2048 * 512",
		"hash buckets for tracked connections: a quarter as many, so that a look-up passes four entries",
		"each packet walks long chains: CPU in nf_conntrack_find", conntrack)),
	many(plain(Sysctl, "net.netfilter.nf_conntrack_tcp_timeout_established", tracked, AtMost, "3600",
		"seconds until the kernel forgets a silent connection. The node's heart-beats and pings keep live ones in the table",
		"(5 days by default) vanished clients fill the table", conntrack)),

	many(plain(Sysctl, "vm.max_map_count", always, AtLeast, "262144",
		"memory mappings of a process: Go's heap is split into many when its parts have different advice (madvise)",
		"mmap fails with ENOMEM and the node crashes while memory is still free", vmSysctl)),
	word(Sysctl, "vm.overcommit_memory", always, "0 1",
		"Go and the thread stacks of its C libraries reserve more address space than they use",
		"(when 2) the kernel refuses memory that is free, and the node crashes", "proc_sys_vm(5); "+vmSysctl),
	many(plain(Sysctl, "vm.swappiness", always, AtMost, "10",
		"idle clients' state looks unused until a broadcast needs all of it at once",
		"the kernel swaps that state out in favour of the page cache, and a broadcast waits for the disk", vmSysctl)),
	many(word(Sys, "kernel/mm/transparent_hugepage/enabled", always, "madvise never",
		"huge pages only for programs that ask for them: Go's heap and stacks are small pieces",
		"(when always) a page that was touched once takes a huge page of memory, and khugepaged stalls the node for milliseconds", "kernel: Documentation/admin-guide/mm/transhuge.rst; https://go.dev/doc/gc-guide#Linux_transparent_huge_pages")),

	many(plain(Sysctl, "net.core.rps_sock_flow_entries", fewQueues, AtLeast, "32768",
		"RFS: packets of a connection are handled by the processor whose event loop reads it",
		"with RPS alone, one processor handles the packets and another reads them", scaling)),
	{kind: Sys, name: "class/net/NIC/queues/QUEUE/rps_cpus", when: perRX, rules: []Rule{AnyMask}, words: allCPUs, many: true,
		why:   "RPS: all cores share the protocol work although there are fewer receive queues than cores",
		below: "one core is at 100% softirq (si in top) while others are idle", source: scaling},
	many(plain(Sys, "class/net/NIC/queues/QUEUE/rps_flow_cnt", perRX, AtLeast, "32768 / queues",
		"the queue's share of net.core.rps_sock_flow_entries", "RFS is off for this queue", scaling)),
	{kind: Sys, name: "class/net/NIC/queues/QUEUE/xps_cpus", when: perTX, rules: []Rule{AnyMask}, words: shareCPUs, many: true,
		why:   "XPS: each core sends through a queue of its own, or shares one with few others",
		below: "during a broadcast, cores wait for each other's queue locks", source: scaling},
	many(word(Service, "irqbalance", spread, "running",
		"spreads the interrupts of the network card's queues over the cores (not needed where an operator or the driver has spread them)",
		"one core handles all interrupts", "irqbalance(1)")),

	bounds(plain(Rlimit, "nofile", always, AtLeast, "files",
		"descriptors of the process (hard limit; the node raises the soft limit to it). The node keeps some 900 for itself and refuses connections above the rest with 503",
		"the node refuses clients with 503; at its start it logs how many are possible", "getrlimit(2), limits.conf(5)")),
	bounds(plain(Systemd, "LimitNOFILE", always, AtLeast, "files",
		"the same for the unit: limits.d does not count for services", "as nofile", systemdMan)),
	plain(Systemd, "TasksMax", always, AtLeast, "1024",
		"threads: one for each event loop, and those of Go and of the Kafka client; connections have none of their own",
		"\"newosproc\" and \"pthread_create failed\": the node crashes", "systemd.resource-control(5)"),
	plain(Environment, "GOMEMLIMIT", always, AtLeast, "(524288 + connections * 3) / 1024",
		"MiB above which the garbage collector works harder: three times what the connections take, and 512 MiB. It is a soft limit; raise it for large histories (history.bytes times projects)",
		"(unset) in a storm garbage may grow until the OOM killer kills the node; (too low) the collector runs all the time", goRuntime),
	plain(Environment, "GOGC", always, AtMost, "30",
		"leave it unset: the node sets 30 itself (gc_percent in its configuration), because its heap is small and long-lived",
		"(too high) the same connections take more memory", goRuntime),

	{kind: Socket, name: "TCP_NOTSENT_LOWAT", words: "16384", why: "net.ipv4.tcp_notsent_lowat need not be set: the node sets it on each socket, so that it notices at once when a client does not read",
		below: "the kernel would buffer 2.8 MB for each such client unnoticed", source: "tcp(7)"},
	{kind: Socket, name: "SO_KEEPALIVE", words: "off", why: "net.ipv4.tcp_keepalive_* need not be set: heart-beats and pings detect vanished peers (with heartbeat.ping at 0 the node sets 120 s on each socket)",
		below: "(when on) a million idle connections cause 8,000 probes a second and as many answers", source: "tcp(7)"},
}
