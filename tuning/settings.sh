# shellcheck shell=sh disable=SC2017,SC2034,SC2154
# Generated from table.go by go generate; a test compares it. Do not edit.

# fit prints how many connections fit into available KiB.
fit() {
	fits=$(((available - 524288) / (9 + 5 * outgoing)))
	if [ "$fits" -lt 0 ]; then fits=0; fi
	if [ "$fits" -gt 10000000 ]; then fits=10000000; fi
	printf '%s\n' "$fits"
}

# settings calls put KIND NAME PATH RULES VALUE for every setting that counts. It needs connections, memory and page
# (KiB), cores, conntrack and outgoing (0 or 1), and nics: words NAME:RX:TX with the numbers of queues.
settings() {
	many=10000 # from here on all of them count
	files=$((connections + 4096)) # descriptors of the node: one a client, and 4,096 for the API, the bus, logs and the clients that are answered 503
	backlog=$((65535 < (4096 > connections / 8 ? 4096 : connections / 8) ? 65535 : (4096 > connections / 8 ? 4096 : connections / 8))) # clients that may arrive while an event loop is busy elsewhere
	pressure=$((memory * 3 / 10 < 16384 + connections * (6 + 3 * outgoing) ? memory * 3 / 10 : 16384 + connections * (6 + 3 * outgoing))) # KiB of socket buffers from which the kernel saves: 1.5 pages of 4 KiB a connection, half as many again with its other end, at most 30% of the memory
	hard=$((memory * 4 / 10 < 65536 + connections * (8 + 4 * outgoing) ? memory * 4 / 10 : 65536 + connections * (8 + 4 * outgoing))) # KiB of socket buffers above which it drops: 2 pages a connection, 3 with its other end, at most 40% of the memory
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

# explain NAME sets why, below (what happens without it), source, and limits: 1 where it bounds the number of connections.
explain() {
	case $1 in
	memory)
		why='KiB: 1 for the node, 4 for the kernel'\''s socket, inode, file and epoll item, 4 for a page of buffer while a broadcast is on its way to everybody, 5 for the other end when that is on this host too (--outgoing); 512 MiB for the system and the node itself'
		below='the kernel drops segments, then the OOM killer ends the node and all of its connections'
		source='tuning/README.md' limits=1
		;;
	fs.nr_open)
		why='the highest number of descriptors that any process may be allowed; a limit (nofile) above it cannot be set'
		below='the unit does not start (step LIMITS), and logins with such a limit fail'
		source='proc_sys_fs(5); kernel: Documentation/admin-guide/sysctl/fs.rst' limits=1
		;;
	fs.file-max)
		why='open files of all processes together: the node'\''s, two a connection for a proxy on the same host, and as many again for the rest'
		below='accept fails with ENFILE; the node refuses new clients'
		source='proc_sys_fs(5); kernel: Documentation/admin-guide/sysctl/fs.rst' limits=1
		;;
	fs.epoll.max_user_watches)
		why='descriptors that one user may have in epoll sets; the default is 4% of the memory at 160 bytes each, too few on a small host'
		below='epoll_ctl fails with ENOSPC, and what was just accepted is closed'
		source='epoll(7)' limits=1
		;;
	net.core.somaxconn)
		why='queue of completed handshakes of a listening socket; the node asks for all of it when it starts, for each address'
		below='when many clients come at once SYNs are dropped, and clients try again after 1 s, 2 s, 4 s'
		source='listen(2); kernel: Documentation/networking/ip-sysctl.rst' limits=0
		;;
	net.ipv4.tcp_max_syn_backlog)
		why='queue of handshakes that are not complete yet, of a listening socket'
		below='when many clients come at once the kernel turns to SYN cookies, which lose TCP options'
		source='tcp(7); kernel: Documentation/networking/ip-sysctl.rst' limits=0
		;;
	net.ipv4.tcp_syncookies)
		why='a full queue of half-open handshakes is answered with cookies, so that a flood does not shut clients out'
		below='a flood of SYNs, or all clients coming back at once, keeps new ones out'
		source='kernel: Documentation/networking/ip-sysctl.rst' limits=0
		;;
	net.ipv4.tcp_abort_on_overflow)
		why='a client that finds the queue full tries again by itself'
		below='(when 1) such a client is reset, and its application sees an error'
		source='kernel: Documentation/networking/ip-sysctl.rst' limits=0
		;;
	net.ipv4.tcp_timestamps)
		why='round trips are measured well, and SYN cookies keep window scaling'
		below='after a storm of connects some connections stay without window scaling'
		source='kernel: Documentation/networking/ip-sysctl.rst' limits=0
		;;
	net.core.netdev_max_backlog)
		why='packets that wait for one processor when they come faster than they are handled: from loopback, from RPS, from old drivers'
		below='a broadcast'\''s acknowledgements are dropped and sent again (softnet_stat, second column)'
		source='kernel: Documentation/admin-guide/sysctl/net.rst' limits=0
		;;
	net.ipv4.tcp_mem)
		why='pages that the buffers of all TCP sockets may take; one with anything queued is charged at least a page, so that a broadcast to all charges one for each'
		below='"TCP: out of memory" in the kernel'\''s log: segments are dropped and connections are reset in a broadcast'
		source='tcp(7); kernel: Documentation/networking/ip-sysctl.rst' limits=1
		;;
	net.ipv4.tcp_rmem)
		why='receive buffer of a socket: what it starts with bounds what all clients together can put into the kernel while the node is busy; it grows for those that send much, and Kafka'\''s connections need the maximum'
		below='(default above) a storm of CONNECTs takes more buffer; (maximum below) Kafka'\''s connections are slow over long links'
		source='tcp(7)' limits=0
		;;
	net.ipv4.tcp_wmem)
		why='send buffer of a socket: it grows by itself for those that take much; what is not sent yet the node bounds by TCP_NOTSENT_LOWAT'
		below='(default above) slow clients keep more in the kernel; (maximum below) large pushes over long links take more round trips'
		source='tcp(7)' limits=0
		;;
	net.ipv4.tcp_max_orphans)
		why='sockets that the node has closed while the peer has not taken everything: all of them, when it ends, and with --outgoing their other ends'
		below='the rest is reset: clients see an error in place of close code 1012, and lose what was on its way'
		source='tcp(7); kernel: Documentation/networking/ip-sysctl.rst' limits=0
		;;
	net.ipv4.tcp_max_tw_buckets)
		why='sockets in TIME_WAIT: when the node closes its clients (drain), each is there for a minute, at 256 bytes'
		below='"time wait bucket table overflow" in the kernel'\''s log, and TIME_WAIT protects fewer connections'
		source='tcp(7); kernel: Documentation/networking/ip-sysctl.rst' limits=0
		;;
	net.ipv4.tcp_slow_start_after_idle)
		why='clients are idle between pushes; without this each push after a pause starts with the smallest window again'
		below='a larger push takes several round trips more'
		source='kernel: Documentation/networking/ip-sysctl.rst' limits=0
		;;
	net.ipv4.ip_local_port_range)
		why='ports of outgoing connections: a proxy'\''s to its nodes, the load generator'\''s, for each pair of addresses, of which connect(2) finds half fast; a node that only accepts needs none. From 10000, so that the usual ports of servers stay free'
		below='EADDRNOTAVAIL after 28,232 connections from one address to one address and port'
		source='ip(7); kernel: Documentation/networking/ip-sysctl.rst' limits=0
		;;
	net.ipv4.tcp_tw_reuse)
		why='an outgoing connection may take the port of one in TIME_WAIT after a second; it does nothing for accepted ones'
		below='after many clients left, a proxy runs out of ports for a minute'
		source='tcp(7); kernel: Documentation/networking/ip-sysctl.rst' limits=0
		;;
	net.netfilter.nf_conntrack_max)
		why='tracked connections: one a client, those that just ended, and a proxy'\''s second half'
		below='"nf_conntrack: table full, dropping packet": new clients do not get in, and health checks fail'
		source='kernel: Documentation/networking/nf_conntrack-sysctl.rst' limits=1
		;;
	nf_conntrack.hashsize)
		why='buckets for them: a quarter as many, so that a look-up passes four entries'
		below='each packet walks long chains: CPU in nf_conntrack_find'
		source='kernel: Documentation/networking/nf_conntrack-sysctl.rst' limits=0
		;;
	net.netfilter.nf_conntrack_tcp_timeout_established)
		why='seconds until a silent connection is forgotten. The node'\''s heart-beats and pings keep live ones known'
		below='(5 days by default) clients that vanished fill the table'
		source='kernel: Documentation/networking/nf_conntrack-sysctl.rst' limits=0
		;;
	vm.max_map_count)
		why='memory areas of a process: Go'\''s heap is split into many when parts of it are advised differently'
		below='mmap fails with ENOMEM, and the node ends, with memory still free'
		source='kernel: Documentation/admin-guide/sysctl/vm.rst' limits=0
		;;
	vm.overcommit_memory)
		why='Go and the thread stacks of its C libraries reserve more address space than they use'
		below='(when 2) memory is refused while it is free, and the node ends'
		source='proc_sys_vm(5); kernel: Documentation/admin-guide/sysctl/vm.rst' limits=0
		;;
	vm.swappiness)
		why='the state of idle clients is cold until a broadcast needs all of it at once'
		below='it is swapped out for the page cache, and a broadcast waits for the disk'
		source='kernel: Documentation/admin-guide/sysctl/vm.rst' limits=0
		;;
	kernel/mm/transparent_hugepage/enabled)
		why='huge pages only for programs that ask: Go'\''s heap and stacks are small pieces'
		below='(when always) memory grows by what was only touched, and khugepaged stops the node for milliseconds'
		source='kernel: Documentation/admin-guide/mm/transhuge.rst; https://go.dev/doc/gc-guide#Linux_transparent_huge_pages' limits=0
		;;
	net.core.rps_sock_flow_entries)
		why='where packets of a connection go: to the processor whose event loop reads it (RFS)'
		below='with RPS alone, packets are handled on another processor than the one that reads them'
		source='kernel: Documentation/networking/scaling.rst' limits=0
		;;
	class/net/*/queues/*/rps_cpus)
		why='fewer receive queues than cores: RPS lets all cores do the protocol work'
		below='one core is at 100% si while others idle'
		source='kernel: Documentation/networking/scaling.rst' limits=0
		;;
	class/net/*/queues/*/rps_flow_cnt)
		why='the queue'\''s part of net.core.rps_sock_flow_entries'
		below='RFS is off for this queue'
		source='kernel: Documentation/networking/scaling.rst' limits=0
		;;
	class/net/*/queues/*/xps_cpus)
		why='each core sends through one queue of its own, or shares it with few'
		below='cores wait for each other'\''s queue locks in a broadcast'
		source='kernel: Documentation/networking/scaling.rst' limits=0
		;;
	irqbalance)
		why='spreads the interrupts of the NIC'\''s queues over the cores (not needed where they were spread by hand, or where the driver does it)'
		below='all interrupts on one core'
		source='irqbalance(1)' limits=0
		;;
	nofile)
		why='descriptors of the process (hard limit; the node raises the soft one to it). Connections above it, less some 900, are answered 503'
		below='clients are answered 503, and the node says at its start how many are possible'
		source='getrlimit(2), limits.conf(5)' limits=1
		;;
	LimitNOFILE)
		why='the same for the unit: limits.d does not count for services'
		below='as nofile'
		source='systemd.exec(5)' limits=1
		;;
	TasksMax)
		why='threads: one an event loop, and those of Go and of the Kafka client; there is none for a connection'
		below='"newosproc" and "pthread_create failed": the node ends'
		source='systemd.resource-control(5)' limits=0
		;;
	GOMEMLIMIT)
		why='MiB at which the collector works harder: three times what the connections take, and 512 MiB. It is soft; with large histories (history.bytes times projects) give more'
		below='(unset) in a storm garbage may grow until the OOM killer comes; (too low) the collector runs without pause'
		source='https://pkg.go.dev/runtime#hdr-Environment_Variables' limits=0
		;;
	GOGC)
		why='unset is right: the node takes 30 itself (gc_percent in its configuration), because what it keeps is small and lives long'
		below='(more) the same connections take more memory'
		source='https://pkg.go.dev/runtime#hdr-Environment_Variables' limits=0
		;;
	TCP_NOTSENT_LOWAT)
		why='net.ipv4.tcp_notsent_lowat need not be set: the node sets it on each socket, so that a client that does not read shows at once'
		below='the kernel would hide 2.8 MB for each such client'
		source='tcp(7)' limits=0
		;;
	SO_KEEPALIVE)
		why='net.ipv4.tcp_keepalive_* need not be set: heart-beats and pings find peers that vanished (with heartbeat.ping at 0 the node sets 120 s on each socket)'
		below='(when on) a million idle connections cost 8,000 probes a second and as many answers'
		source='tcp(7)' limits=0
		;;
	esac
}
