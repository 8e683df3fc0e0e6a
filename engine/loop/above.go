package loop

import (
	"net/netip"

	"stentor/engine/shard"
)

// above is what gets the data of connections over TLS: the shard of the loop, or an Echo. All but Post is called in the loop.
// shard.Shard has the methods' comments.
type above interface {
	Input(c *shard.Conn, plain []byte)
	Recount(c *shard.Conn)
	Secured(c *shard.Conn)
	Hangup(c *shard.Conn)
	Address(c *shard.Conn) netip.AddrPort
	// Post runs tasks in the loop, in their order. Any goroutine may call it.
	Post(task func())
}
