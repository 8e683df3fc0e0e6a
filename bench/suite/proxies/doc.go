// Package proxies measures the cost of nginx or HAProxy between clients and a node: CPU for each delivered
// message, memory and CPU for each connection, of the node and of the proxy, beside clients that connect to the node
// itself. The proxies run with the configurations that "stentor proxy-config" writes.
//
// Everything runs on this machine, over loopback: what the network costs is not in the numbers, and what the kernel does
// for a receiver is charged to the sender. Ratios say more than microseconds.
package proxies
