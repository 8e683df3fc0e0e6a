package shard

// Holder is who is charged for what a session has and does, where each has a share of a common limit: its user, else its
// client's address (of IPv6 the /64), else, behind a proxy that names no client, the session alone.
type Holder struct {
	User    string
	address [16]byte
	shard   int
	conn    uint32
}

func (s *Shard) holder(c *Conn) Holder {
	switch {
	case c.user != "":
		return Holder{User: c.user}
	case c.address == [16]byte{}:
		return Holder{shard: s.conf.Index, conn: c.idx}
	}
	h := Holder{address: c.address}
	if !c.addrPort().Addr().Is4() {
		clear(h.address[8:])
	}
	return h
}
