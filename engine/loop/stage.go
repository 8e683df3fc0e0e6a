package loop

import (
	"github.com/panjf2000/gnet/v2"

	"stentor/engine/shard"
)

// stage is the context of a connection whose input does not reach the shard yet. The shard already has the connection, so
// that its deadlines hold. The last stage makes the *shard.Conn itself the context: from then on every byte goes to the
// shard.
type stage interface {
	// input takes what arrived. It runs in the loop.
	input(l *Loop, c gnet.Conn, in []byte) gnet.Action
	// of is whose connection it is.
	of() *shard.Conn
}
