package loop

import (
	"github.com/panjf2000/gnet/v2"

	"stentor/engine/shard"
)

// stage is the context of a connection that the shard has, so that its deadlines hold, while what it sends is kept from the
// shard. The last stage makes the *shard.Conn itself the context: from then on every byte is the shard's.
type stage interface {
	// input takes what came. It runs in the loop.
	input(l *Loop, c gnet.Conn, in []byte) gnet.Action
	// of is whose connection it is.
	of() *shard.Conn
}
