package config

// Config is the whole configuration. It does not change after Load, so any goroutine may read it.
//
// Tags: `key` is the name in the file; `default` is the value when the key is not set; `range` (low..high, either end may
// be omitted) and `oneof` say what is allowed; `file:"yes"` marks the name of a file; `secret:"yes"` keeps a value
// out of error texts; `doc` is the comment that `config init` prints.
type Config struct {
	Node           Node                `key:"node" doc:"This process among the nodes of the cluster."`
	Listen         Listen              `key:"listen" doc:"Where the node listens."`
	TLS            TLS                 `key:"tls" doc:"What the node shows clients that connect over TLS without a proxy: to addresses of listen.client with the word tls, and with listen.api_tls to the API. The files are read again every few seconds, and at SIGHUP: a changed certificate needs no restart, and one that does not fit its key changes nothing."`
	Endpoints      []Endpoint          `key:"endpoints" default:"[{path: /ws}]" doc:"The WebSocket endpoints that clients connect to."`
	SockJS         SockJS              `key:"sockjs" doc:"SockJS, at endpoints with sockjs: true."`
	DefaultProject string              `key:"default_project" doc:"Project of clients that name none: neither by the project header, nor by the endpoint, nor by the token's issuer. Empty: such clients are refused."`
	AdminKeys      []string            `key:"admin_keys" secret:"yes" doc:"Bearer keys that may use the HTTP API for every project."`
	AdminKeysFile  string              `key:"admin_keys_file" file:"yes" doc:"File with more of them, one per line; lines that begin with # are comments."`
	Credentials    Credentials         `key:"credentials" doc:"Where clients carry their credentials: headers of CONNECT, or parameters of the handshake's query. Authorization: Bearer works as well."`
	Auth           Auth                `key:"auth" doc:"How tokens are verified."`
	Heartbeat      Heartbeat           `key:"heartbeat" doc:"Heart-beats between node and clients."`
	History        History             `key:"history" doc:"The recent pushes that the node keeps in memory for each project, so that clients can resume after a lost connection."`
	Bus            string              `key:"bus" default:"embedded" oneof:"embedded,kafka" doc:"What carries pushes to the nodes. embedded: a single node, which loses its history when it restarts. kafka: any number of nodes, see kafka."`
	Kafka          Kafka               `key:"kafka" doc:"The Kafka cluster, with bus: kafka. A project's pushes are in a topic of its own, which back ends may write to as well."`
	Advertise      Advertise           `key:"advertise" doc:"Addresses of this node, for clients that ask /v1/endpoints for a node, and for the other nodes. With bus: kafka it needs cluster.key."`
	Cluster        Cluster             `key:"cluster" doc:"What the nodes of a cluster have in common."`
	Push           Push                `key:"push" doc:"Settings for every push."`
	Limits         Limits              `key:"limits" doc:"Limits. A client that exceeds one is told which, and only that client is affected."`
	Drain          Drain               `key:"drain" doc:"How the node leaves after SIGTERM: it refuses new clients, delivers what is pending, then closes its clients chunk by chunk, so that they do not all reconnect at the same moment. Until then they receive what other nodes push."`
	Log            Log                 `key:"log" doc:"What the node writes to its standard error."`
	GCPercent      int                 `key:"gc_percent" default:"0" range:"0..1000" doc:"Garbage collector target, as in GOGC. 0: the node chooses."`
	Projects       map[string]*Project `key:"projects" doc:"The projects (tenants) of this node by name. Projects are isolated from each other. SIGHUP reloads this section and the admin keys; every other change needs a restart."`

	source
}

// Node says which process this is.
type Node struct {
	ID       string `key:"id" default:"${HOSTNAME}" doc:"Name of this node, different on every node."`
	StateDir string `key:"state_dir" doc:"With bus: kafka: a directory of this node alone for what it knows of quiet destinations, so that their subscriptions go on with resumed:true after a restart of the node. A file for each project, of history.bytes at most and mostly much less; no messages are in it. Empty: the first of $STATE_DIRECTORY, which systemd sets for a unit with StateDirectory=; without it nothing is kept."`
}

// Listen has the addresses of the listeners.
type Listen struct {
	Client         []string `key:"client" default:"0.0.0.0:8080" doc:"Addresses for clients, one or several: host:port, or unix:/run/stentor/ws.sock for a proxy on this host, followed by mode=0660 and group=NAME to change those of the file. The word proxy_protocol after an address makes it a listener for proxies: each connection begins with a header of the PROXY protocol (version 1 or 2; HAProxy: send-proxy-v2, nginx stream: proxy_protocol on), which has the client's address, and only trusted_proxies and Unix sockets may connect. The word tls makes it a listener for TLS (wss://), see tls; a header of the PROXY protocol comes before it. Example: [\"0.0.0.0:8080\", \"10.0.0.5:8090 proxy_protocol\", \"unix:/run/stentor/ws.sock group=www-data\"]."`
	APITLS         bool     `key:"api_tls" default:"false" doc:"The API is served over TLS (https), with tls.certificates."`
	API            string   `key:"api" default:"127.0.0.1:8081" doc:"Address of the HTTP API, the metrics and the console. Keep it inside your own network."`
	TrustedProxies []string `key:"trusted_proxies" doc:"Addresses or networks (10.0.0.0/8) of the proxies that may say which address a client has: by X-Forwarded-* headers, or by the PROXY protocol. A peer on a Unix socket is trusted as well."`
	Names          []string `key:"names" doc:"Host names of the node: push.example.com, or *.example.com for all subdomains. Addresses and localhost are always included. A page of the node's own origin may connect over https, or if the origin's host is one of these: a web page can make any other name resolve to the node's address. The console and API of --dev answer only requests for these names."`
}

// TLS has the names of the files, and the bounds.
type TLS struct {
	Certificates   []CertificateFiles `key:"certificates" doc:"Certificates with their keys, one or several. A client gets the first one that is for the name that it asks for (SNI) and that it can verify, else the first. Example: [{cert: push.pem, key: push.key}]."`
	MinVersion     string             `key:"min_version" default:"1.2" oneof:"1.2,1.3" doc:"The lowest version that clients may use."`
	ClientCA       string             `key:"client_ca" file:"yes" doc:"PEM file with authorities: clients need a certificate of one of them. It is a gate in front of everything else, no log-in: tokens are needed as before, and no user or project follows from the certificate. The API asks for none. Empty: clients need none."`
	TicketKeysFile string             `key:"ticket_keys_file" file:"yes" doc:"File with the keys of the tickets with which clients resume, the same on all nodes, so that a client resumes on any: one a line, 64 hexadecimal digits (openssl rand -hex 32), 8 at most. The first one seals new tickets. To change it, add the new key as the second line on all nodes, and make it the first a minute later; remove the old one after a week. Empty: each node makes its own, a new one each day."`
	Handshakes     int                `key:"handshakes" default:"4096" range:"16..1000000" doc:"Handshakes of TLS that are under way, each with up to 60 KB of memory. A client above it is closed, and so is one whose address has more than a tenth of the free places. How long a handshake may take is limits.handshake_timeout."`
	CipherBytes    ByteSize           `key:"cipher_bytes" default:"128MiB" range:"0..64GiB" doc:"Memory for the prepared ciphers of connections that were written to of late, 768 bytes each. A write to another one takes some 1.5 us more."`
	Records        string             `key:"records" default:"auto" oneof:"auto,go" doc:"What seals and opens the records behind the handshake, which is always crypto/tls's. auto: the node itself for TLS 1.3, which costs 300 bytes of memory for an idle connection; crypto/tls for TLS 1.2, and in FIPS mode. go: crypto/tls for all, 12 KB a connection."`
}

// CertificateFiles names a certificate.
type CertificateFiles struct {
	Cert string `key:"cert" file:"yes" doc:"PEM file with the certificate, and its chain behind it."`
	Key  string `key:"key" file:"yes" doc:"PEM file with its private key."`
}

// Endpoint is one path that clients connect to.
type Endpoint struct {
	Path    string   `key:"path" doc:"Path of the WebSocket handshake."`
	Origins []string `key:"origins" doc:"Origins of the web pages that may connect: \"https://shop.example.com\", \"https://*.example.com\", \"loopback\" (any page of this machine), \"*\" (any page); of apps \"capacitor://localhost\", \"file://\", \"moz-extension://*\" (any host of the scheme); \"null\" (pages without an origin, as those of local files, but also what any page puts into a sandboxed frame). Empty: only the node's own origin, see listen.names. Clients that send no Origin are always accepted."`
	Project string   `key:"project" doc:"The only project whose clients may connect here. Empty: any."`
	SockJS  bool     `key:"sockjs" default:"false" doc:"Clients of SockJS may connect as well: to the path with new SockJS(...), and to PATH/websocket without SockJS. Over WebSocket, xhr, xhr_streaming and eventsource; jsonp, htmlfile and iframe are not served. Without it PATH/info is answered 404. A session of SockJS may go to any node if advertise.clients is set; otherwise a proxy before several nodes has to send all requests of a client to the same one."`
	// Compression is permessage-deflate.
	Compression       bool `key:"compression" default:"false" doc:"Messages may be compressed for clients that offer it (permessage-deflate, RFC 7692; not over SockJS): those of clients, and pushes to topics of 512 bytes to 256 KiB. Each push is compressed once. It saves traffic, mostly of JSON from 1 KB on, and takes processor time of clients and node. See docs/operate.md."`
	CompressionWebKit bool `key:"compression_webkit" default:"false" doc:"Also for clients on WebKit (Safari, browsers and web views of iOS, NSURLSession): some of their versions fail on compressed messages."`
}

// SockJS has the settings of endpoints with SockJS.
type SockJS struct {
	Connections int      `key:"connections" default:"10000" range:"0..1000000" doc:"Sessions over HTTP (xhr, xhr_streaming, eventsource), for clients that cannot have a WebSocket, and half of the connections that they may have. Each takes a goroutine and some 10 to 30 KB of memory. More are refused with 503, and so are those of an address that has more than a tenth of the free places before CONNECT. 0: no transport over HTTP is served."`
	Heartbeat   Duration `key:"heartbeat" default:"25s" range:"0..1h" doc:"When an answer of an HTTP transport has been silent for so long, it gets a line that says nothing, so that proxies keep it open. 0: never."`
}

// Credentials has the names of the headers with credentials.
type Credentials struct {
	TokenHeader     string `key:"token_header" default:"token" doc:"Name of the header or query parameter with the token."`
	ProjectHeader   string `key:"project_header" default:"projectId" doc:"Name of the header or query parameter with the project."`
	PasscodeIsToken bool   `key:"passcode_is_token" default:"false" doc:"For clients that have STOMP's login and passcode alone: the passcode of CONNECT is the token, unless the client has one elsewhere. The login means nothing."`
}

// Auth bounds the verification of tokens.
type Auth struct {
	Workers      int      `key:"workers" default:"0" range:"0..1024" doc:"Goroutines that verify signatures. 0: one per core."`
	Queue        int      `key:"queue" default:"10000" range:"1..1000000" doc:"Verifications that may wait. Projects take turns, and within a project the addresses of its clients. When the queue is full, those with the most entries are told to retry later."`
	CacheEntries int      `key:"cache_entries" default:"8192" range:"0..10000000" doc:"Verified tokens that are cached until they expire, so that a reconnect needs no signature check."`
	KeysRefresh  Duration `key:"keys_refresh" default:"15m" range:"1m..24h" doc:"How often the keys of identity providers (jwks_url, issuer_url) are fetched. A token that no known key verifies makes the node ask at once, but no provider more than once in 10 s."`
	KeysMaxAge   Duration `key:"keys_max_age" default:"24h" range:"1m..8760h" doc:"How long they are kept while the provider does not answer. After that its clients are told to retry later."`
}

// Heartbeat has the node's side of the negotiation. 0 switches one off.
type Heartbeat struct {
	Send    Duration `key:"send" default:"10s" range:"0s..10m" doc:"Shortest interval at which the node can send STOMP heart-beats. 0: never."`
	Receive Duration `key:"receive" default:"10s" range:"0s..10m" doc:"Interval at which the node expects STOMP heart-beats from clients that can send them; a client that is silent for three intervals is closed. 0: expects none."`
	Ping    Duration `key:"ping" default:"30s" range:"0s..10m" doc:"Interval of WebSocket pings to clients without STOMP heart-beats. 0: no pings."`
	Auto    bool     `key:"auto" default:"true" doc:"The intervals grow with the connections, so that a core sends and receives at most 5,000 heart-beats a second (4,000 with TLS): above 25,000 sessions per core, 10 s become (sessions per core) / 2,500 s. With a million sessions that is 25 s on 16 cores, and 200 s on 2 cores. A session keeps the interval that it negotiated. A proxy in front must allow such pauses (nginx: proxy_read_timeout, 60 s)."`
}

// History bounds what a node remembers, per project.
type History struct {
	Window Duration `key:"window" default:"3m" range:"1s..24h" doc:"How long a push is kept."`
	Bytes  ByteSize `key:"bytes" default:"64MiB" range:"1MiB..64GiB" doc:"How much memory that takes: pushes, the names of their destinations and users, and up to a quarter of it for what destinations have lost."`
}

// Kafka says where Kafka is, and how its topics are named and made.
type Kafka struct {
	Brokers      []string          `key:"brokers" doc:"Addresses of some of the brokers, as in [kafka-1:9092, kafka-2:9092]."`
	Properties   map[string]string `key:"properties" secret:"yes" doc:"Any properties of librdkafka, for example for authentication and TLS: {security.protocol: SASL_SSL, sasl.mechanism: SCRAM-SHA-512, sasl.username: stentor, sasl.password: \"${KAFKA_PASSWORD}\"}"`
	TopicPrefix  string            `key:"topic_prefix" default:"stentor.push." doc:"A project's topic is this prefix and the project's name, unless the project sets topic."`
	InPrefix     string            `key:"in_prefix" default:"stentor.in." doc:"Clients' SENDs with the action forward go to the topic with this prefix and the project's name."`
	NodesTopic   string            `key:"nodes_topic" default:"stentor.nodes" doc:"Compacted topic to which every node writes a heartbeat each second. A second live node with the same id ends."`
	CreateTopics bool              `key:"create_topics" default:"true" doc:"Create missing topics."`
	Partitions   int               `key:"partitions" default:"1" range:"1..256" doc:"Partitions of a topic that the node creates. One partition orders all pushes of the project; several order only the pushes of each destination."`
	Replication  int               `key:"replication" default:"0" range:"0..100" doc:"Replicas of a topic that the node creates; from 3 on with min.insync.replicas=2. 0: the brokers' default."`
	Lateness     Duration          `key:"lateness" default:"10s" range:"0s..1h" doc:"A node that is further behind in reading pushes is not ready while another ready node is less than half as far behind. Measured once a second. 0: no check."`
}

// Advertise has the addresses that a node tells others.
type Advertise struct {
	Clients []string `key:"clients" doc:"Addresses at which clients reach exactly this node, the best first: [\"wss://push-1.example.com/ws\"]. Empty: the node is listed, and no client is sent to it."`
	API     string   `key:"api" doc:"Address of this node's HTTP API for the other nodes: http://10.0.0.5:8081. Empty: they cannot ask this node."`
}

// Cluster is the same on all nodes and registries.
type Cluster struct {
	Key     string `key:"key" secret:"yes" doc:"Secret of at least 32 bytes with which nodes authenticate their heartbeats to each other and to registries. Anyone who has it can direct clients, with their tokens, to any address."`
	KeyFile string `key:"key_file" file:"yes" doc:"A file whose content, without a newline at its end, is the key."`
	CA      string `key:"ca" file:"yes" doc:"PEM file with the certificate authorities of the nodes' https addresses (advertise.api). Empty: those of the system."`
}

// Push bounds every push.
type Push struct {
	Timeout Duration `key:"timeout" default:"5s" range:"100ms..5m" doc:"Time for the bus to accept a push. After that the push is answered with 503 and Retry-After."`
	MaxAge  Duration `key:"max_age" default:"0s" range:"0s..8784h" doc:"Pushes older than this are not delivered, whatever their ttl_ms. 0: no limit."`
}

// Limits has the bounds of a node.
type Limits struct {
	Connections           int      `key:"connections" default:"0" range:"0..10000000" doc:"Client connections of the node. More are refused with 503. 0: as many as the host's memory (9 KiB each, with TLS 11; 10,000 at least) and the descriptors of the process allow."`
	ConnectionsPerAddress int      `key:"connections_per_address" default:"0" range:"0..10000000" doc:"Client connections from one address (IPv6: one /64), counted from accept on, or once a trusted proxy has said the address. More are refused with 503. 0: no limit."`
	Unauthenticated       int      `key:"unauthenticated" default:"10000" range:"1..10000000" doc:"Connections that have not been authenticated yet, from accept on. More are refused with 503."`
	UnauthPerAddress      int      `key:"unauthenticated_per_address" default:"0" range:"0..10000000" doc:"How many of these one address may have (IPv6: one /64). 0: a tenth of the free places, so that no address locks out the others. Set it if many clients share an address (behind a carrier's NAT, or a proxy that passes no addresses on) and reconnect all at once."`
	EndpointsPerSecond    int      `key:"endpoints_per_second" default:"200" range:"1..1000000" doc:"Requests a second for /v1/endpoints from one address (IPv6: one /64), on the ports for clients and on the API's together. A carrier may have thousands of clients behind one address; each asks once for each connection. More are answered with 429."`
	EndpointsBurst        int      `key:"endpoints_burst" default:"2000" range:"1..10000000" doc:"How many of these may arrive at once."`
	SessionsPerUser       int      `key:"sessions_per_user" default:"0" range:"0..1000000" doc:"Sessions of one user of a project on this node. Further ones are refused at CONNECT (close 1013). A session whose client vanished counts until its heart-beats time out, so allow for clients that reconnect. Clients without a user are not counted. 0: no limit."`
	HandshakeTimeout      Duration `key:"handshake_timeout" default:"10s" range:"100ms..10m" doc:"Time for the WebSocket handshake, including a header of the PROXY protocol. It shrinks to 2s as the free places of unauthenticated run out."`
	ConnectTimeout        Duration `key:"connect_timeout" default:"60s" range:"100ms..1h" doc:"Time from the handshake to the CONNECT frame. It shrinks likewise."`
	HandshakeBytes        ByteSize `key:"handshake_bytes" default:"8192" range:"512..64KiB" doc:"Size of the handshake's request line and headers. More is answered with 431."`
	ConnectFrameBytes     ByteSize `key:"connect_frame_bytes" default:"16384" range:"512..1MiB" doc:"Size of the CONNECT frame."`
	ClientFrameBytes      ByteSize `key:"client_frame_bytes" default:"65536" range:"1KiB..64MiB" doc:"Size of any other frame that a client sends. The size of a push is push_bytes."`
	Headers               int      `key:"headers" default:"64" range:"8..10000" doc:"Number of headers of a frame."`
	HeaderBytes           ByteSize `key:"header_bytes" default:"16384" range:"256..1MiB" doc:"Size of all header lines of a frame."`
	FramesPerSecond       int      `key:"frames_per_second" default:"200" range:"1..1000000" doc:"Frames a second from one connection, with bursts of twice as many. COMMIT counts as one frame; those of its transaction have counted when they arrived."`
	Subscriptions         int      `key:"subscriptions" default:"100" range:"1..1000000" doc:"Subscriptions of one session."`
	Patterns              int      `key:"patterns" default:"1000" range:"0..1000000" doc:"Distinct patterns that the sessions of one project subscribe to, on each event loop."`
	PatternSteps          int      `key:"pattern_steps" default:"4000" range:"1..10000000" doc:"Worst-case cost of finding the patterns of a project that match a push, on each event loop, in steps of about 10 ns. A pattern costs a step for each segment from its first wildcard on, and one for itself. A wildcard inside a segment costs more, text between two '*' the most. Patterns that cannot match the same push count as one."`
	UserPatternSteps      int      `key:"user_pattern_steps" default:"500" range:"1..10000000" doc:"The part of it for the sessions of one user, where each distinct pattern counts in full. Clients without a user are counted by address (IPv6: one /64)."`
	SubscriptionIDBytes   ByteSize `key:"subscription_id_bytes" default:"128" range:"8..1024" doc:"Length of a subscription's id."`
	DestinationBytes      ByteSize `key:"destination_bytes" default:"1024" range:"16..1024" doc:"Length of a destination."`
	Unanswered            int      `key:"unanswered" default:"64" range:"1..10000" doc:"Frames of one session that the node has not answered yet. At the limit, further frames of the session wait."`
	InputBytes            ByteSize `key:"input_bytes" default:"256KiB" range:"1KiB..64MiB" doc:"Bytes of such waiting frames of one session, in addition to one frame; a client that sends more is closed. Frames also wait while the unanswered frames before them hold as many bytes."`
	TransactionBytes      ByteSize `key:"transaction_bytes" default:"256KiB" range:"1KiB..64MiB" doc:"Size of the open transactions of one session."`
	SessionBytes          ByteSize `key:"session_bytes" default:"512MiB" range:"1MiB..1024GiB" doc:"Memory that all sessions together hold above 4 KiB each: incomplete and waiting frames, unsent answers, transactions, subscriptions with their destinations and ids, ACK windows. A project may hold as much as remains for the others, a session an eighth of what remains for its project. A session that holds more is closed (1013) when it needs still more. Before authentication, connections hold at most unauthenticated times handshake_bytes."`
	ReplyBytes            ByteSize `key:"reply_bytes" default:"64KiB" range:"1KiB..16MiB" doc:"Size of the answers (receipts, pongs) that one client has not read. A client with more is closed."`
	PushBytes             ByteSize `key:"push_bytes" default:"1MiB" range:"1KiB..256MiB" doc:"Size of a push. More is answered with 413."`
	BatchBytes            ByteSize `key:"batch_bytes" default:"8MiB" range:"1KiB..1GiB" doc:"Size of a request with several pushes."`
	PendingBytes          ByteSize `key:"pending_bytes" default:"32MiB" range:"1MiB..64GiB" doc:"Per project: pushes that were accepted and not yet written to every subscriber. More are answered with 503 and Retry-After. Clients' SENDs may use half of it; the other half is reserved for back ends."`
	SlowBytes             ByteSize `key:"slow_bytes" default:"32MiB" range:"1KiB..64GiB" doc:"Per project: pushes that left history while clients are still receiving them. At the limit, the client that has been receiving for the longest time is closed."`
	APIConnections        int      `key:"api_connections" default:"512" range:"2..100000" doc:"Connections to the HTTP API. One in 16 is reserved for requests without a key, so that probes and new connections always get in. The owner of a key may use at most four times what remains for the others. Above that a request is answered with 429 or 503."`
	APIBytes              ByteSize `key:"api_bytes" default:"64MiB" range:"1MiB..64GiB" doc:"Memory that all requests to the HTTP API hold: bodies as they arrive, answers that are being sent. One project may hold at most as much as remains for the others. Above that a request is answered with 429 or 503."`
}

// Drain has the pace of a shutdown.
type Drain struct {
	Timeout  Duration `key:"timeout" default:"30s" range:"0s..1h" doc:"The process ends within this time, whatever happens."`
	Chunk    int      `key:"chunk" default:"500" range:"1..1000000" doc:"Clients closed at a time; more if closing all would take longer than 70% of drain.timeout."`
	Interval Duration `key:"interval" default:"100ms" range:"1ms..1m" doc:"Time between two chunks."`
}

// Log says what is logged, and in which form.
type Log struct {
	Level  string `key:"level" default:"info" oneof:"debug,info,warn,error" doc:"The least severe level that is logged."`
	Format string `key:"format" default:"text" oneof:"text,json" doc:"text for people, json for collectors."`
}

// Project is one tenant.
type Project struct {
	Keys           []Key             `key:"keys" doc:"Keys that verify the tokens of this project's clients. The token's kid selects the key; the key determines the algorithm, whatever the token says."`
	APIKeys        []string          `key:"api_keys" secret:"yes" doc:"Bearer keys with which back ends push to this project."`
	APIKeysFile    string            `key:"api_keys_file" file:"yes" doc:"File with more of them, one per line; lines that begin with # are comments."`
	Anonymous      bool              `key:"anonymous" default:"false" doc:"Clients without a token may connect. They have no user name."`
	Issuer         string            `key:"issuer" doc:"Required value of a token's iss claim. It also determines the project of a token. Empty: not checked."`
	Audience       string            `key:"audience" doc:"What the aud claim must contain. Empty: not checked."`
	UserClaims     []string          `key:"user_claims" default:"sub,userName" doc:"Claims that hold the user's name; the first one present is used."`
	SubscribeClaim string            `key:"subscribe_claim" default:"subscribe" doc:"Claim with a list of destinations that narrows what this token's session may subscribe to."`
	TokenExpiry    string            `key:"token_expiry" default:"keep" oneof:"keep,close" doc:"What happens to a session when its token expires. With close, clients are told when, and can send a new token before: docs/clients.md."`
	Destinations   string            `key:"destinations" default:"prefixed" oneof:"prefixed,plain" doc:"prefixed: /topic/NAME/... with the project's name. plain: any /topic/... and /queue/..., as Spring applications do. Both also have /user/... ."`
	Patterns       bool              `key:"patterns" default:"false" doc:"Clients may subscribe to patterns with ?, * and **."`
	Topic          string            `key:"topic" doc:"Kafka topic with this project's pushes. Empty: kafka.topic_prefix and the project's name."`
	Subscribe      []string          `key:"subscribe" doc:"What clients may subscribe to: patterns, in which {project} and {user} stand for the names. Default of a prefixed project: /topic/{project}/** and /user/**; a plain one has none."`
	Send           map[string]string `key:"send" oneof:"ignore,push,forward,deny" doc:"What a client's SEND does, by pattern: ignore (counted and discarded), push (to the subscribers), forward (to the back ends, in the topic kafka.in_prefix and the project's name), deny (an ERROR). A SEND that no pattern matches is ignored. Example: {\"/topic/{project}/chat/**\": push}"`
	Slow           Slow              `key:"slow" doc:"Clients that do not read as fast as messages arrive."`
	AckWindow      int               `key:"ack_window" default:"0" range:"0..65535" doc:"Messages that a subscription with ack:client or ack:client-individual may receive before it sends an ACK. 0: no limit."`
	Limits         ProjectLimits     `key:"limits" doc:"Limits of this project."`
}

// Key verifies tokens.
type Key struct {
	KID        string   `key:"kid" doc:"The kid that tokens name. Empty: for tokens without one."`
	Alg        string   `key:"alg" doc:"Algorithm of the key: RS256, ES256, EdDSA or HS256."`
	File       string   `key:"file" file:"yes" doc:"PEM file with the public key (RS256, ES256, EdDSA)."`
	Secret     string   `key:"secret" secret:"yes" doc:"HS256: the shared secret, at least 32 bytes."`
	SecretFile string   `key:"secret_file" file:"yes" doc:"HS256: a file whose content, without a newline at its end, is the secret."`
	JWKSURL    string   `key:"jwks_url" doc:"Instead of all of these: the URL of an identity provider's key set (JWKS). https, or http on this machine; redirects are not followed."`
	IssuerURL  string   `key:"issuer_url" doc:"Instead of jwks_url: the issuer of an OpenID provider, whose discovery document has the URL of the key set. Its keys verify tokens of that iss only. A token with that iss is of this project, unless several projects have it."`
	Algorithms []string `key:"algorithms" doc:"With jwks_url or issuer_url: the algorithms of its keys that are used, as in [RS256]. Empty: RS256, ES256 and EdDSA."`
}

// Slow is the policy for slow clients.
type Slow struct {
	Policy  string   `key:"policy" default:"disconnect" oneof:"disconnect,drop-oldest,keep-latest" doc:"What happens to a client that falls out of history, or reads nothing for the timeout: it is closed, loses the oldest messages, or loses all but the latest."`
	Timeout Duration `key:"timeout" default:"30s" range:"1s..1h" doc:"How long a client may read nothing while messages wait for it."`
}

// ProjectLimits has the bounds of a project.
type ProjectLimits struct {
	Connections     int `key:"connections" default:"0" range:"0..10000000" doc:"Connections of this project on this node. 0: no limit of its own."`
	PushesPerSecond int `key:"pushes_per_second" default:"0" range:"0..10000000" doc:"Pushes a second to this project, including its clients' SENDs. SENDs may use half of it, those of one user (without a user: one address) a quarter. More are answered with 429. 0: no limit."`
}
