// Package e2e has the end-to-end tests: the built binary as a process, clients over real sockets. It holds tests only.
//
// A node as a process (start, signals, log, API) is engine/testkit's.
//
//	server_test.go       a node with the configuration of most tests, its descriptors
//	api_test.go          pushes, lists of sessions and metrics of such a node
//	peer_test.go         a STOMP client in Go that shows every frame, whole and broken
//	driver_test.go       the JavaScript client libraries, driven over standard input; their side is js/
//
//	libraries_test.go    @stomp/stompjs, stompjs 2.3.3 and webstomp-client
//	sockjs_test.go       the same over sockjs-client, each transport by itself, in Node and in pages of Chromium; a proxy that
//	                     buffers, a slow reader, a node killed under them
//	sockjs_protocol_test.go  the cases of SockJS's own protocol tests
//	compression_test.go  clients with permessage-deflate: Node, Chromium, Python, Java (tag clients, make test-clients)
//	pushes_test.go       targets of pushes, expiry of tokens, the commands of the binary
//	sessions_test.go     lists of sessions
//	page_test.go         the page in a browser
//	reconnect_test.go    applications that reconnect after a drain, a reload, a break
//	pages_test.go        the commands of the pages (docs/, README.md), with their shell in pages_shell_test.go
//	example_test.go      the client of docs/clients.md
//	drain_test.go        SIGTERM under load
//	faults_test.go       clients that misbehave
//	isolation_test.go    projects that must not see each other
//	bounds_test.go       every limit with the metric that counts it
//	front_test.go        clients of a proxy in front of servers: their addresses, TLS
//	audience_test.go     many clients at them
//	proxies_test.go      the configurations of `stentor proxy-config` with real traffic, Unix sockets
//	descriptors_test.go  more clients than descriptors
//
// The libraries and the browser are installed by `make e2e-deps`, the proxies by `make tuning-deps`; without them these
// tests fail.
package e2e
