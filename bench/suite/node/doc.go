// Package node measures one push server node on one machine and compares it with its targets: memory per connection,
// CPU per delivery, behaviour under overload and with silent clients, CPU per connect. The server and the bare write
// loop that it is compared with are processes of their own; the clients are in this one.
//
// Every measurement starts its own servers on free loopback ports with a configuration that sets only what the
// measurement is about, so that it measures the settings as shipped. Each of the files memory.go, delivery.go,
// overload.go, slow.go and connect.go begins with how its number is measured.
//
// Messages are checked while they are measured: one that is lost, repeated, out of order or corrupted ends the run
// with an error, because the number would mean nothing.
package node
