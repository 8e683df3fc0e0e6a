# shellcheck shell=sh disable=SC2017,SC2034,SC2154
# Generated from table.go by go generate; a test compares it. Do not edit.

# fit prints how many connections fit into available KiB.
fit() {
	fits=$(((available - 524288) / (9 + 5 * outgoing)))
	if [ "$fits" -lt 0 ]; then fits=0; fi
	if [ "$fits" -gt 10000000 ]; then fits=10000000; fi
	printf '%s\n' "$fits"
}

# settings calls put KIND NAME PATH RULES VALUE for every setting that applies. It needs connections, memory and page
# (KiB), cores, conntrack and outgoing (0 or 1), and nics: words NAME:RX:TX with the numbers of queues.
settings() {
	many=10000 # the number from which all settings apply
	files=$((connections + 4096)) # descriptors of the node: one for each client, and 4,096 for the API, the bus, logs and clients that are refused with 503
	backlog=$((65535 < (4096 > connections / 8 ? 4096 : connections / 8) ? 65535 : (4096 > connections / 8 ? 4096 : connections / 8))) # clients that may arrive while an event loop is busy
	pressure=$((memory * 3 / 10 < 16384 + connections * (6 + 3 * outgoing) ? memory * 3 / 10 : 16384 + connections * (6 + 3 * outgoing))) # KiB of socket buffers above which the kernel shrinks them (memory pressure): 1.5 pages of 4 KiB for each connection, half as many again when its other end is on this host, at most 30% of the memory
	hard=$((memory * 4 / 10 < 65536 + connections * (8 + 4 * outgoing) ? memory * 4 / 10 : 65536 + connections * (8 + 4 * outgoing))) # KiB of socket buffers above which the kernel drops segments: 2 pages for each connection, 3 when its other end is on this host, at most 40% of the memory
	few=0 spread=0
	for nic in $nics; do
		rx=${nic#*:} rx=${rx%:*}
		if [ "$rx" -lt "$cores" ]; then few=1; fi
		if [ "$rx" -gt 1 ] && [ "$cores" -gt 1 ]; then spread=1; fi
	done
	put memory 'memory' - atleast "$((524288 + connections * (9 + 5 * outgoing)))"
	put sysctl 'fs.nr_open' proc/sys/fs/nr_open atleast "$(((files + 1023) / 1024 * 1024))"
	put sysctl 'fs.file-max' proc/sys/fs/file-max atleast "$((files * (2 + 2 * outgoing)))"
	put sysctl 'fs.epoll.max_user_watches' proc/sys/fs/epoll/max_user_watches atleast "$((files * (1 + outgoing)))"
	put sysctl 'net.core.somaxconn' proc/sys/net/core/somaxconn atleast "$((backlog))"
	if [ "$connections" -ge "$many" ]; then
	put sysctl 'net.ipv4.tcp_max_syn_backlog' proc/sys/net/ipv4/tcp_max_syn_backlog atleast "$((backlog))"
	fi
	put sysctl 'net.ipv4.tcp_syncookies' proc/sys/net/ipv4/tcp_syncookies oneof '1 2'
	put sysctl 'net.ipv4.tcp_abort_on_overflow' proc/sys/net/ipv4/tcp_abort_on_overflow oneof '0'
	put sysctl 'net.ipv4.tcp_timestamps' proc/sys/net/ipv4/tcp_timestamps oneof '1 2'
	if [ "$connections" -ge "$many" ]; then
	put sysctl 'net.core.netdev_max_backlog' proc/sys/net/core/netdev_max_backlog atleast "$((65536 < (4096 > connections / 16 ? 4096 : connections / 16) ? 65536 : (4096 > connections / 16 ? 4096 : connections / 16)))"
	fi
	put sysctl 'net.ipv4.tcp_mem' proc/sys/net/ipv4/tcp_mem atleast,atleast,atleast "$((pressure * 3 / 4 / page)) $((pressure / page)) $((hard / page))"
	if [ "$connections" -ge "$many" ]; then
	put sysctl 'net.ipv4.tcp_rmem' proc/sys/net/ipv4/tcp_rmem atmost,atmost,atleast "$((4096)) $((16384)) $((4194304))"
	fi
	if [ "$connections" -ge "$many" ]; then
	put sysctl 'net.ipv4.tcp_wmem' proc/sys/net/ipv4/tcp_wmem atmost,atmost,atleast "$((4096)) $((16384)) $((4194304))"
	fi
	if [ "$connections" -ge "$many" ]; then
	put sysctl 'net.ipv4.tcp_max_orphans' proc/sys/net/ipv4/tcp_max_orphans atleast "$((65536 > connections * (1 + outgoing) ? 65536 : connections * (1 + outgoing)))"
	fi
	if [ "$connections" -ge "$many" ]; then
	put sysctl 'net.ipv4.tcp_max_tw_buckets' proc/sys/net/ipv4/tcp_max_tw_buckets atleast "$((65536 > connections ? 65536 : connections))"
	fi
	if [ "$connections" -ge "$many" ]; then
	put sysctl 'net.ipv4.tcp_slow_start_after_idle' proc/sys/net/ipv4/tcp_slow_start_after_idle oneof '0'
	fi
	if [ "$outgoing" = 1 ]; then
		put sysctl 'net.ipv4.ip_local_port_range' proc/sys/net/ipv4/ip_local_port_range atmost,atleast "$((10000)) $((65535))"
	fi
	if [ "$outgoing" = 1 ]; then
		put sysctl 'net.ipv4.tcp_tw_reuse' proc/sys/net/ipv4/tcp_tw_reuse oneof '1'
	fi
	if [ "$conntrack" = 1 ]; then
		put sysctl 'net.netfilter.nf_conntrack_max' proc/sys/net/netfilter/nf_conntrack_max atleast "$((connections * 2 + (65536 < connections ? 65536 : connections)))"
	fi
	if [ "$connections" -ge "$many" ]; then
	if [ "$conntrack" = 1 ]; then
		put module 'nf_conntrack.hashsize' sys/module/nf_conntrack/parameters/hashsize atleast "$(((connections * 2 + (65536 < connections ? 65536 : connections) + 2047) / 2048 * 512))"
	fi
	fi
	if [ "$connections" -ge "$many" ]; then
	if [ "$conntrack" = 1 ]; then
		put sysctl 'net.netfilter.nf_conntrack_tcp_timeout_established' proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established atmost "$((3600))"
	fi
	fi
	if [ "$connections" -ge "$many" ]; then
	put sysctl 'vm.max_map_count' proc/sys/vm/max_map_count atleast "$((262144))"
	fi
	put sysctl 'vm.overcommit_memory' proc/sys/vm/overcommit_memory oneof '0 1'
	if [ "$connections" -ge "$many" ]; then
	put sysctl 'vm.swappiness' proc/sys/vm/swappiness atmost "$((10))"
	fi
	if [ "$connections" -ge "$many" ]; then
	put sys 'kernel/mm/transparent_hugepage/enabled' sys/kernel/mm/transparent_hugepage/enabled oneof 'madvise never'
	fi
	if [ "$connections" -ge "$many" ]; then
	if [ "$few" = 1 ]; then
		put sysctl 'net.core.rps_sock_flow_entries' proc/sys/net/core/rps_sock_flow_entries atleast "$((32768))"
	fi
	fi
	if [ "$connections" -ge "$many" ]; then
	for nic in $nics; do
		nic_name=${nic%%:*} rx=${nic#*:} tx=${nic##*:}
		rx=${rx%:*}
		[ "$rx" -lt "$cores" ] || continue
		queues=$rx queue=0
		while [ "$queue" -lt "$queues" ]; do
			put sys "class/net/$nic_name/queues/rx-$queue/rps_cpus" "sys/class/net/$nic_name/queues/rx-$queue/rps_cpus" mask "$(cpumask "$cores" 1 0)"
			queue=$((queue + 1))
		done
	done
	fi
	if [ "$connections" -ge "$many" ]; then
	for nic in $nics; do
		nic_name=${nic%%:*} rx=${nic#*:} tx=${nic##*:}
		rx=${rx%:*}
		[ "$rx" -lt "$cores" ] || continue
		queues=$rx queue=0
		while [ "$queue" -lt "$queues" ]; do
			put sys "class/net/$nic_name/queues/rx-$queue/rps_flow_cnt" "sys/class/net/$nic_name/queues/rx-$queue/rps_flow_cnt" atleast "$((32768 / queues))"
			queue=$((queue + 1))
		done
	done
	fi
	if [ "$connections" -ge "$many" ]; then
	for nic in $nics; do
		nic_name=${nic%%:*} rx=${nic#*:} tx=${nic##*:}
		rx=${rx%:*}
		if [ "$tx" -le 1 ] || [ "$tx" -ge "$cores" ]; then continue; fi
		queues=$tx queue=0
		while [ "$queue" -lt "$queues" ]; do
			put sys "class/net/$nic_name/queues/tx-$queue/xps_cpus" "sys/class/net/$nic_name/queues/tx-$queue/xps_cpus" mask "$(cpumask "$cores" "$queues" "$queue")"
			queue=$((queue + 1))
		done
	done
	fi
	if [ "$connections" -ge "$many" ]; then
	if [ "$spread" = 1 ]; then
		put service 'irqbalance' - oneof 'running'
	fi
	fi
	put rlimit 'nofile' - atleast "$((files))"
	put systemd 'LimitNOFILE' - atleast "$((files))"
	put systemd 'TasksMax' - atleast "$((1024))"
	put environment 'GOMEMLIMIT' - atleast "$(((524288 + connections * 3) / 1024))"
	put environment 'GOGC' - atmost "$((30))"
	put socket 'TCP_NOTSENT_LOWAT' - - '16384'
	put socket 'SO_KEEPALIVE' - - 'off'
}

# explain NAME sets why, below (what happens without it), source, and limits: 1 if the setting bounds the number of connections.
explain() {
	case $1 in
	memory)
		why='KiB: 1 for the node, 4 for the kernel'\''s socket, inode, file and epoll item, 4 for a page of buffer while a broadcast to all is in flight, 5 for the other end when it is on this host too (--outgoing); 512 MiB for the system and the node itself'
		below='the kernel drops segments, then the OOM killer kills the node and every connection with it'
		source='tuning/README.md' limits=1
		;;
	fs.nr_open)
		why='the highest descriptor limit (nofile) that any process may have'
		below='the unit does not start (step LIMITS), and logins with such a limit fail'
		source='proc_sys_fs(5); kernel: Documentation/admin-guide/sysctl/fs.rst' limits=1
		;;
	fs.file-max)
		why='open files of all processes together: the node'\''s, two for each connection of a proxy on the same host, and as many again for everything else'
		below='accept fails with ENFILE; the node refuses new clients'
		source='proc_sys_fs(5); kernel: Documentation/admin-guide/sysctl/fs.rst' limits=1
		;;
	fs.epoll.max_user_watches)
		why='descriptors that one user may have in epoll sets; the default is 4% of the memory at 160 bytes each, too few on a small host'
		below='epoll_ctl fails with ENOSPC, and the connection that was just accepted is closed'
		source='epoll(7)' limits=1
		;;
	net.core.somaxconn)
		why='accept queue: completed handshakes that wait on a listening socket; at its start the node asks for all of it on each address'
		below='when many clients connect at once, SYNs are dropped, and clients retry after 1 s, 2 s, 4 s'
		source='listen(2); kernel: Documentation/networking/ip-sysctl.rst' limits=0
		;;
	net.ipv4.tcp_max_syn_backlog)
		why='SYN queue: incomplete handshakes of a listening socket'
		below='when many clients connect at once, the kernel falls back to SYN cookies, which lose TCP options'
		source='tcp(7); kernel: Documentation/networking/ip-sysctl.rst' limits=0
		;;
	net.ipv4.tcp_syncookies)
		why='when the SYN queue is full, the kernel answers with cookies, so that a flood does not shut clients out'
		below='a flood of SYNs, or all clients reconnecting at once, keeps new clients out'
		source='kernel: Documentation/networking/ip-sysctl.rst' limits=0
		;;
	net.ipv4.tcp_abort_on_overflow)
		why='a client that finds the accept queue full retries by itself'
		below='(when 1) such a client is reset, and its application sees an error'
		source='kernel: Documentation/networking/ip-sysctl.rst' limits=0
		;;
	net.ipv4.tcp_timestamps)
		why='round trips are measured precisely, and SYN cookies keep window scaling'
		below='after a storm of connects, some connections have no window scaling'
		source='kernel: Documentation/networking/ip-sysctl.rst' limits=0
		;;
	net.core.netdev_max_backlog)
		why='packets that wait for one processor when they arrive faster than it handles them: from loopback, from RPS, from old drivers'
		below='acknowledgements of a broadcast are dropped and retransmitted (softnet_stat, second column)'
		source='kernel: Documentation/admin-guide/sysctl/net.rst' limits=0
		;;
	net.ipv4.tcp_mem)
		why='pages that the buffers of all TCP sockets may take; a socket with anything queued is charged at least one page, so a broadcast to all charges one page for each connection'
		below='"TCP: out of memory" in the kernel'\''s log: during a broadcast, segments are dropped and connections are reset'
		source='tcp(7); kernel: Documentation/networking/ip-sysctl.rst' limits=1
		;;
	net.ipv4.tcp_rmem)
		why='receive buffer of a socket (minimum, default, maximum): the default bounds what all clients together can queue in the kernel while the node is busy; the buffer of a busy sender grows, and Kafka'\''s connections need the maximum'
		below='(default too high) a storm of CONNECTs takes more buffer; (maximum too low) Kafka'\''s connections are slow over long links'
		source='tcp(7)' limits=0
		;;
	net.ipv4.tcp_wmem)
		why='send buffer of a socket (minimum, default, maximum): it grows by itself for a client that receives much; the node bounds its unsent part by TCP_NOTSENT_LOWAT'
		below='(default too high) slow clients keep more in the kernel; (maximum too low) large pushes over long links take more round trips'
		source='tcp(7)' limits=0
		;;
	net.ipv4.tcp_max_orphans)
		why='orphans: sockets that the node has closed before the peer has acknowledged everything; when the node stops that is all of them, and with --outgoing their other ends too'
		below='the kernel resets the rest: those clients see an error instead of close code 1012, and lose what was in flight'
		source='tcp(7); kernel: Documentation/networking/ip-sysctl.rst' limits=0
		;;
	net.ipv4.tcp_max_tw_buckets)
		why='sockets in TIME_WAIT: when the node closes its clients (drain), each stays in it for a minute, at 256 bytes'
		below='"time wait bucket table overflow" in the kernel'\''s log, and TIME_WAIT protects fewer connections'
		source='tcp(7); kernel: Documentation/networking/ip-sysctl.rst' limits=0
		;;
	net.ipv4.tcp_slow_start_after_idle)
		why='clients are idle between pushes; when this is 1, each push after a pause starts with the smallest window again'
		below='a larger push takes several more round trips'
		source='kernel: Documentation/networking/ip-sysctl.rst' limits=0
		;;
	net.ipv4.ip_local_port_range)
		why='ports of outgoing connections, a proxy'\''s to its nodes or the load generator'\''s, for each pair of addresses; connect(2) finds half of them fast. A node that only accepts needs none. They begin at 10000, so that the usual ports of servers stay free'
		below='EADDRNOTAVAIL after 28,232 connections from one address to one address and port'
		source='ip(7); kernel: Documentation/networking/ip-sysctl.rst' limits=0
		;;
	net.ipv4.tcp_tw_reuse)
		why='an outgoing connection may reuse the port of one that has been in TIME_WAIT for a second; accepted connections are not affected'
		below='after many clients have left, a proxy has no free ports for a minute'
		source='tcp(7); kernel: Documentation/networking/ip-sysctl.rst' limits=0
		;;
	net.netfilter.nf_conntrack_max)
		why='tracked connections: one for each client, one for each that has just ended, and a proxy'\''s connections to its nodes'
		below='"nf_conntrack: table full, dropping packet": new clients cannot connect, and health checks fail'
		source='kernel: Documentation/networking/nf_conntrack-sysctl.rst' limits=1
		;;
	nf_conntrack.hashsize)
		why='hash buckets for tracked connections: a quarter as many, so that a look-up passes four entries'
		below='each packet walks long chains: CPU in nf_conntrack_find'
		source='kernel: Documentation/networking/nf_conntrack-sysctl.rst' limits=0
		;;
	net.netfilter.nf_conntrack_tcp_timeout_established)
		why='seconds until the kernel forgets a silent connection. The node'\''s heart-beats and pings keep live ones in the table'
		below='(5 days by default) vanished clients fill the table'
		source='kernel: Documentation/networking/nf_conntrack-sysctl.rst' limits=0
		;;
	vm.max_map_count)
		why='memory mappings of a process: Go'\''s heap is split into many when its parts have different advice (madvise)'
		below='mmap fails with ENOMEM and the node crashes while memory is still free'
		source='kernel: Documentation/admin-guide/sysctl/vm.rst' limits=0
		;;
	vm.overcommit_memory)
		why='Go and the thread stacks of its C libraries reserve more address space than they use'
		below='(when 2) the kernel refuses memory that is free, and the node crashes'
		source='proc_sys_vm(5); kernel: Documentation/admin-guide/sysctl/vm.rst' limits=0
		;;
	vm.swappiness)
		why='idle clients'\'' state looks unused until a broadcast needs all of it at once'
		below='the kernel swaps that state out in favour of the page cache, and a broadcast waits for the disk'
		source='kernel: Documentation/admin-guide/sysctl/vm.rst' limits=0
		;;
	kernel/mm/transparent_hugepage/enabled)
		why='huge pages only for programs that ask for them: Go'\''s heap and stacks are small pieces'
		below='(when always) a page that was touched once takes a huge page of memory, and khugepaged stalls the node for milliseconds'
		source='kernel: Documentation/admin-guide/mm/transhuge.rst; https://go.dev/doc/gc-guide#Linux_transparent_huge_pages' limits=0
		;;
	net.core.rps_sock_flow_entries)
		why='RFS: packets of a connection are handled by the processor whose event loop reads it'
		below='with RPS alone, one processor handles the packets and another reads them'
		source='kernel: Documentation/networking/scaling.rst' limits=0
		;;
	class/net/*/queues/*/rps_cpus)
		why='RPS: all cores share the protocol work although there are fewer receive queues than cores'
		below='one core is at 100% softirq (si in top) while others are idle'
		source='kernel: Documentation/networking/scaling.rst' limits=0
		;;
	class/net/*/queues/*/rps_flow_cnt)
		why='the queue'\''s share of net.core.rps_sock_flow_entries'
		below='RFS is off for this queue'
		source='kernel: Documentation/networking/scaling.rst' limits=0
		;;
	class/net/*/queues/*/xps_cpus)
		why='XPS: each core sends through a queue of its own, or shares one with few others'
		below='during a broadcast, cores wait for each other'\''s queue locks'
		source='kernel: Documentation/networking/scaling.rst' limits=0
		;;
	irqbalance)
		why='spreads the interrupts of the network card'\''s queues over the cores (not needed where an operator or the driver has spread them)'
		below='one core handles all interrupts'
		source='irqbalance(1)' limits=0
		;;
	nofile)
		why='descriptors of the process (hard limit; the node raises the soft limit to it). The node keeps some 900 for itself and refuses connections above the rest with 503'
		below='the node refuses clients with 503; at its start it logs how many are possible'
		source='getrlimit(2), limits.conf(5)' limits=1
		;;
	LimitNOFILE)
		why='the same for the unit: limits.d does not count for services'
		below='as nofile'
		source='systemd.exec(5)' limits=1
		;;
	TasksMax)
		why='threads: one for each event loop, and those of Go and of the Kafka client; connections have none of their own'
		below='"newosproc" and "pthread_create failed": the node crashes'
		source='systemd.resource-control(5)' limits=0
		;;
	GOMEMLIMIT)
		why='MiB above which the garbage collector works harder: three times what the connections take, and 512 MiB. It is a soft limit; raise it for large histories (history.bytes times projects)'
		below='(unset) in a storm garbage may grow until the OOM killer kills the node; (too low) the collector runs all the time'
		source='https://pkg.go.dev/runtime#hdr-Environment_Variables' limits=0
		;;
	GOGC)
		why='leave it unset: the node sets 30 itself (gc_percent in its configuration), because its heap is small and long-lived'
		below='(too high) the same connections take more memory'
		source='https://pkg.go.dev/runtime#hdr-Environment_Variables' limits=0
		;;
	TCP_NOTSENT_LOWAT)
		why='net.ipv4.tcp_notsent_lowat need not be set: the node sets it on each socket, so that it notices at once when a client does not read'
		below='the kernel would buffer 2.8 MB for each such client unnoticed'
		source='tcp(7)' limits=0
		;;
	SO_KEEPALIVE)
		why='net.ipv4.tcp_keepalive_* need not be set: heart-beats and pings detect vanished peers (with heartbeat.ping at 0 the node sets 120 s on each socket)'
		below='(when on) a million idle connections cause 8,000 probes a second and as many answers'
		source='tcp(7)' limits=0
		;;
	esac
}
