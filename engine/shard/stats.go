package shard

import (
	"sync/atomic"

	"stentor/engine/session"
	"stentor/engine/websocket"
)

// Stats are a shard's counters and gauges. The loop writes them; any goroutine may read them.
type Stats struct {
	// Gauges.
	Connections   atomic.Int64 // sockets, and sessions over HTTP
	Greeting      atomic.Int64 // of them not yet authenticated
	Sessions      atomic.Int64 // of them with CONNECTED sent
	Subscriptions atomic.Int64
	Detached      atomic.Int64 // subscriptions that go at their own pace
	Transfers     atomic.Int64 // large pushes under way to a connection
	Logs          atomic.Int64 // subscribed destinations and patterns
	// Forms are the sessions by their form.
	Forms [session.Forms]atomic.Int64

	// Counters.
	Accepted      atomic.Uint64
	Handshakes    atomic.Uint64
	Refused       atomic.Uint64 // handshakes answered with an error
	Answered      atomic.Uint64 // requests that were not for a WebSocket, and were served
	Lent          atomic.Uint64 // connections that were lent, see Env.Lend
	Frames        atomic.Uint64 // events from clients
	BytesIn       atomic.Uint64
	BytesOut      atomic.Uint64
	Deliveries    atomic.Uint64 // MESSAGEs handed to the kernel or the socket's buffer
	Writes        atomic.Uint64 // writes that carried them
	Pieces        atomic.Uint64 // writes of pieces of large pushes
	Saved         atomic.Uint64 // bytes that compressed MESSAGEs had less than plain ones
	Rounds        atomic.Uint64
	Detaches      atomic.Uint64
	Dropped       atomic.Uint64 // pushes that a slow subscription lost to its policy
	Expired       atomic.Uint64 // pushes that outlived their time to live on the way to a subscription
	Unsendable    atomic.Uint64 // pushes that a session's form cannot carry: to SockJS what is not UTF-8
	SlowCloses    atomic.Uint64
	Shed          atomic.Uint64 // sessions closed since other nodes have more room
	Heartbeats    atomic.Uint64
	HeartbeatLost atomic.Uint64 // clients closed for silence
	Errors        atomic.Uint64 // ERROR frames
	Nacks         atomic.Uint64
	SendIgnored   atomic.Uint64
	Credentials   atomic.Uint64 // headers of SENDs that were removed: credentials
	Reserved      atomic.Uint64 // and those that only the server may set
	Renewals      atomic.Uint64 // tokens of sessions that were replaced by new ones
	Forwards      atomic.Uint64 // SENDs handed to the back ends
	Unserved      atomic.Uint64 // SUBSCRIBEs to a prefix that nobody serves
	Duplicates    atomic.Uint64 // SUBSCRIBEs with an id that is in use
	Resumed       atomic.Uint64
	Paused        atomic.Uint64 // tries that a session's share postponed
	ResumeGaps    atomic.Uint64 // resumes answered with resumed:false
	Panics        atomic.Uint64

	Compression   [websocket.Compressions]atomic.Uint64 // handshakes, by what became of permessage-deflate
	Unpacked      atomic.Uint64                         // compressed messages of clients
	UnpackedBytes atomic.Uint64                         // their bytes as they came
	InflatedBytes atomic.Uint64                         // and inflated
}
