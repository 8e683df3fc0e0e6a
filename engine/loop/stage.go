package loop

import (
	"github.com/panjf2000/gnet/v2"

	"stentor/engine/shard"
)

// stage is the context of a connection whose input does not reach the shard yet. The shard already has the connection, so
// that its deadlines hold. A stage that ends makes what follows the context: the next stage, or the *shard.Conn itself, to which
// every byte goes from then on. The stage of TLS (secure) stays as long as the connection.
type stage interface {
	// input takes what arrived. It runs in the loop.
	input(l *Loop, c gnet.Conn, in []byte) gnet.Action
	// of is whose connection it is.
	of() *shard.Conn
}
