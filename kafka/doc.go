// Package kafka is the bus of several nodes: a Kafka topic for each project, read in full by every node.
//
//	back end ──> Producer ──> topic stentor.push.{project} ──> reader of every node ──> bus.Sink
//	              (POST)                  ^
//	back end ─────────────────────────────┘ (directly)
//
// A Bus has these goroutines, and no other touches what is theirs:
//
//	watcher   looks at the topics every few seconds: new projects, missing topics, more partitions, a topic that was
//	          recreated (its id is the epoch of all positions); tells the reader where to begin
//	reader    owns the consumer: polls, decodes, delivers, pauses projects at their bound, stores offsets, and notes
//	          how late it is (lateness.go)
//	ends      asks every second where the partitions end, so that the reader knows how late it is
//	reports   passes the producer's delivery reports to the callers of Publish
//	presence  sends a beat every second (this node is alive, and how late it reads), receives those of the other nodes
//	          (engine/directory), and detects another node with the same id
//	notice    decides when the node is ready, and which projects it serves (ready.go, start.go)
//
// The codec (record.go, envelope.go, headers.go) is pure. Only a second node with the same id ends the process. Unreachable
// brokers and missing topics are logged and waited for; unreadable records are counted and skipped.
package kafka
