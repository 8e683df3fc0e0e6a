// Package sockjs is SockJS (protocol 0.3.3) on byte slices: the paths of an endpoint, the frames of a server, the strings of
// a client, the answer of /info. No I/O, clock or lock.
//
//	path.go     what a path below an endpoint asks for
//	frame.go    o, h, a["..."], c[code,"reason"]
//	escape.go   a message as a JSON string
//	decode.go   a client's array of messages, as it arrives
//	info.go     the body of /info
package sockjs
