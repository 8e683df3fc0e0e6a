// Package kafka is the bus of several nodes: a Kafka topic for each project, read in full by every node.
//
//	back end ──> Producer ──> topic stentor.push.{project} ──> reader of every node ──> bus.Sink
//	              (POST)                  ^
//	back end ─────────────────────────────┘ (directly)
//
// A Bus has these goroutines, and no other touches what is theirs:
//
//	watcher   looks at the topics every few seconds: new projects, missing topics, more partitions, a topic that was
//	          deleted and made again (its id is the epoch of all positions); says where the reader has to begin
//	reader    owns the consumer: polls, decodes, delivers, pauses projects at their bound, stores offsets, and notes
//	          how late it is (lateness.go)
//	ends      asks every second where the partitions end, for the reader to know how late it is
//	reports   takes the producer's delivery reports to those who wait for them
//	presence  says every second that this node lives and how late it reads, hears the same of the others (engine/directory),
//	          and finds out when another one has the same id
//	notice    decides when the node is ready, and which projects it serves (start.go)
//
// The codec (record.go, envelope.go, headers.go) is pure. Nothing here ends the process but a second node with the
// same id: brokers that are away, topics that vanish and records that nobody can read are waited for, told and skipped.
package kafka
