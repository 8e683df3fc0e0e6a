package client

import (
	"bytes"

	"stentor/engine/bus"
)

const (
	knownFrames = 1024 // power of 2
	// A longer frame is parsed each time: remembering it would cost memory, and parsing costs little compared with
	// reading it.
	knownBytes = 4096
)

// known remembers the messages that one thread has read and checked last, in the order in which it first saw them.
// Positions count all messages from 1; 0 means none.
type known struct {
	ring [knownFrames]message
	last uint32 // position of the newest
	// index has the position of a message by its key.
	index [MaxSubscriptions * knownFrames]uint32
}

// message is a checked message. frame is the whole WebSocket frame.
type message struct {
	frame        []byte
	due          int64  // Unix nanoseconds
	stream       uint64 // what the payload names
	seq          uint32
	subscription uint8
	place        bus.Position // with Options.Resume
}

// key spreads the messages of many streams over the index, and those of one without collision.
func (m *message) key() uint32 {
	return (m.seq*MaxSubscriptions + uint32(m.subscription) + uint32(m.stream)*0x9e3779b1) % (MaxSubscriptions * knownFrames)
}

// after returns the message that follows the one at position, if b begins with all of its frame.
func (k *known) after(position uint32, b []byte) *message {
	// A message that is a whole ring older than the newest has been overwritten.
	if k.last-position-1 >= knownFrames {
		return nil
	}
	m := &k.ring[(position+1)%knownFrames]
	if !bytes.HasPrefix(b, m.frame) {
		return nil
	}
	return m
}

// remember returns the position of m, and adds m when it is new. It copies the frame.
func (k *known) remember(m message) uint32 {
	slot := &k.index[m.key()]
	if p := *slot; p != 0 && k.last-p < knownFrames {
		if old := &k.ring[p%knownFrames]; old.subscription == m.subscription && bytes.Equal(old.frame, m.frame) {
			return p
		}
	}
	k.last++
	e := &k.ring[k.last%knownFrames]
	m.frame = append(e.frame[:0], m.frame...)
	*e = m
	*slot = k.last
	return k.last
}

// newest returns the frame that was added last, nil when there is none.
func (k *known) newest() []byte { return k.ring[k.last%knownFrames].frame }
