package refusal

// Reason is why something was refused. Its String is what the log, the label of the counter and docs/refusals.md call it.
type Reason uint8

const (
	None Reason = iota

	Connections
	ConnectionsPerAddress
	Unauthenticated
	UnauthenticatedPerAddress
	Descriptors
	ProxyUntrusted
	ProxyMissing
	ProxyInvalid

	TLSHandshake
	TLSMissing
	TLSHandshakes
	TLSHandshakesPerAddress

	HandshakeTimeout
	HandshakeBytes
	HandshakeHeaders
	HandshakeMalformed
	HandshakeMethod
	HandshakeUpgrade
	Path
	Origin
	SockJSConnections
	SockJSConnectionsPerAddress
	SockJSUnknown
	NotReady
	Stopping

	DiscoveryEmpty
	DiscoveryRate

	ConnectTimeout
	ConnectFrameBytes
	TokenMissing
	TokenInvalid
	TokenExpired
	TokenQueue
	TokenTimeout
	TokenProvider
	ProjectUnknown
	ProjectConflict
	ProjectFull
	SessionsPerUser
	ProjectNotReady
	ProjectGone

	Protocol
	WebSocket
	SubscribeForbidden
	SubscribeUnserved
	SubscribeDuplicate
	SendForbidden
	SendUnserved
	SendRate
	SendTransaction
	SendBusy
	SendBus
	FrameRate
	FrameBytes
	Subscriptions
	Patterns
	PatternSteps
	UserPatternSteps
	IDBytes
	DestinationBytes
	InputBytes
	TransactionBytes
	ReplyBytes
	SessionBytes
	SlowBytes
	Slow
	Heartbeat
	SessionExpired
	RenewalUser
	RenewalSubscription
	RenewalUnavailable
	RenewalPending
	RenewalRate
	Kicked

	APIAuth
	APIForbidden
	APITooLarge
	APILimit
	APIBusy
	APIStopping
	APITimeout
	APIUnavailable
	APIConnections

	// Reasons is how many there are, None included.
	Reasons
)

// Stage is where something was refused.
type Stage string

const (
	Accept    Stage = "accept"    // before anything was read of the connection
	TLS       Stage = "tls"       // its handshake
	Handshake Stage = "handshake" // of the WebSocket
	Discovery Stage = "discovery" // a client asks which node to connect to
	Connect   Stage = "connect"   // STOMP's CONNECT
	Session   Stage = "session"   // from CONNECTED on, or whatever is sent over the WebSocket
	API       Stage = "api"
)

// entry describes a Reason.
type entry struct {
	stage Stage
	name  string
	code  int    // HTTP status or close code of the WebSocket; 0: the connection is closed silently, or stays open
	text  string // for docs/refusals.md: what happened, and what to change
}

var table = [Reasons]entry{
	Connections:               {Accept, "connections", 503, "The node has reached `limits.connections`, or what its descriptors allow. Handshakes are refused for it as well."},
	ConnectionsPerAddress:     {Accept, "connections_per_address", 503, "The address has reached `limits.connections_per_address`."},
	Unauthenticated:           {Accept, "unauthenticated", 503, "Too many connections have not sent CONNECT yet: `limits.unauthenticated`."},
	UnauthenticatedPerAddress: {Accept, "unauthenticated_per_address", 503, "Too many connections of this address have not sent CONNECT yet: `limits.unauthenticated_per_address`."},
	Descriptors:               {Accept, "descriptors", 503, "The process, or the system, has no descriptor for another connection. A warning says which."},
	ProxyUntrusted:            {Accept, "proxy_untrusted", 0, "An address that is not in `listen.trusted_proxies` connected to a listener with `proxy_protocol`."},
	ProxyMissing:              {Accept, "proxy_missing", 0, "A listener with `proxy_protocol` got a connection without the header: the proxy has to send it, or use another listener."},
	ProxyInvalid:              {Accept, "proxy_invalid", 0, "The header of the PROXY protocol cannot be read."},

	TLSHandshake:            {TLS, "tls_handshake", 0, "A handshake of TLS failed: a scanner, a client that does not trust the certificate, or one without a version, a suite or a certificate that the node accepts. The text says which."},
	TLSMissing:              {TLS, "tls_missing", 400, "Plain HTTP came to a port of TLS, of clients or of the API: the URL has to begin with `wss://` or `https://`."},
	TLSHandshakes:           {TLS, "tls_handshakes", 0, "Too many handshakes of TLS were under way: `tls.handshakes`."},
	TLSHandshakesPerAddress: {TLS, "tls_handshakes_per_address", 0, "Too many handshakes of TLS of this address were under way: one address may have a tenth of the free places of `tls.handshakes`."},

	SockJSConnections:           {Handshake, "sockjs_connections", 503, "Too many clients use SockJS over HTTP: `sockjs.connections`."},
	SockJSConnectionsPerAddress: {Handshake, "sockjs_connections_per_address", 503, "Too many clients of this address use SockJS over HTTP and have not sent CONNECT yet: one address may have a tenth of the free places of `sockjs.connections`."},
	SockJSUnknown:               {Handshake, "sockjs_unknown", 429, "The address named sessions of SockJS that do not exist, again and again."},

	HandshakeTimeout:   {Handshake, "handshake_timeout", 0, "The handshake was not complete in time: `limits.handshake_timeout`, or less while many wait."},
	HandshakeBytes:     {Handshake, "handshake_bytes", 431, "Request line and headers are too large: `limits.handshake_bytes`."},
	HandshakeHeaders:   {Handshake, "handshake_headers", 431, "The handshake has too many header lines."},
	HandshakeMalformed: {Handshake, "handshake_malformed", 400, "This is not a WebSocket handshake: TLS to a port without it, a proxy that drops `Connection: Upgrade`, or a header that is allowed once came twice. The text says which."},
	HandshakeMethod:    {Handshake, "handshake_method", 405, "A request other than GET came to the client port."},
	HandshakeUpgrade:   {Handshake, "handshake_upgrade", 426, "A request that does not ask for a WebSocket of version 13: an HTTP client, or a proxy that does not pass `Upgrade` on."},
	Path:               {Handshake, "path", 404, "No endpoint has this path: `endpoints`."},
	Origin:             {Handshake, "origin", 403, "Pages of this origin may not connect: `endpoints.origins`, or `listen.names` for the node's own names."},
	NotReady:           {Handshake, "not_ready", 503, "The node has not yet read the pushes from before its start. `/readyz` says what it waits for."},
	Stopping:           {Handshake, "stopping", 503, "The node is stopping. At CONNECT and at a SEND the close is 1013."},

	DiscoveryEmpty: {Discovery, "discovery_empty", 503, "No node can be handed out: none is ready and below its capacity, or none says by which addresses clients reach it."},
	DiscoveryRate:  {Discovery, "discovery_rate", 429, "The address asks more often than one address may."},

	ConnectTimeout:    {Connect, "connect_timeout", 1002, "No CONNECT came in time: `limits.connect_timeout`, or less while many wait."},
	ConnectFrameBytes: {Connect, "connect_frame_bytes", 1009, "CONNECT, or what was sent before its answer, is too large: `limits.connect_frame_bytes`."},
	TokenMissing:      {Connect, "token_missing", 1002, "The project requires a token."},
	TokenInvalid:      {Connect, "token_invalid", 1002, "The token is malformed, was signed with another key, or has another audience. The text says which. A session whose new token is such a one ends."},
	TokenExpired:      {Connect, "token_expired", 1002, "The token had expired when CONNECT came, or when an open session sent it as its new one, which ends that session."},
	TokenQueue:        {Connect, "token_queue", 1013, "Too many tokens are waiting for verification, most of them from this client's project and address: `auth.queue`."},
	TokenTimeout:      {Connect, "token_timeout", 1013, "The token could not be verified in time."},
	TokenProvider:     {Connect, "token_provider", 1013, "No known key verifies the token, and the keys of the project's identity provider cannot be fetched: the log says why. A session whose new token it is continues, up to the end of its old one."},
	ProjectUnknown:    {Connect, "project_unknown", 1002, "No project was given, or one that this node does not serve."},
	ProjectConflict:   {Connect, "project_conflict", 1002, "Header, query, endpoint and token name different projects."},
	ProjectFull:       {Connect, "project_full", 1013, "The project has reached `projects.NAME.limits.connections`."},
	SessionsPerUser:   {Connect, "sessions_per_user", 1013, "The user has reached `limits.sessions_per_user` on this node. A session whose client vanished counts until its heart-beats time out."},
	ProjectNotReady:   {Connect, "project_not_ready", 1013, "The node has not read yet what there was of the project, or cannot read it. `/readyz` says what is in the way."},
	ProjectGone:       {Connect, "project_gone", 1013, "A reload removed the project. Its open sessions are closed for this reason as well."},

	Protocol:            {Session, "protocol", 1002, "A frame is not valid STOMP, or not allowed at this point. The text says which rule it breaks."},
	WebSocket:           {Session, "websocket", 1002, "The client violated RFC 6455: 1002, or 1007 for text that is not UTF-8."},
	SubscribeForbidden:  {Session, "subscribe_forbidden", 1002, "The rules of the project, or the claim of the token, do not allow this SUBSCRIBE."},
	SubscribeUnserved:   {Session, "subscribe_unserved", 0, "SUBSCRIBE to a prefix that the project does not serve. The session continues; its RECEIPT says `subscribed:false`."},
	SubscribeDuplicate:  {Session, "subscribe_duplicate", 0, "SUBSCRIBE with an id that is in use for another destination. The session continues; its RECEIPT says `subscribed:false`."},
	SendForbidden:       {Session, "send_forbidden", 1002, "The project's rules deny this SEND."},
	SendUnserved:        {Session, "send_unserved", 0, "SEND to a destination that no rule of the project serves. It is ignored, and the session continues."},
	SendRate:            {Session, "send_rate", 1013, "The project, its clients or this client reached the limit of pushes per second: `projects.NAME.limits.pushes_per_second`."},
	SendTransaction:     {Session, "send_transaction", 1008, "A transaction has more messages than the project may send in a second."},
	SendBusy:            {Session, "send_busy", 1013, "Pushes that wait for delivery leave no room for the SENDs of clients: half of `limits.pending_bytes`."},
	SendBus:             {Session, "send_bus", 1013, "The bus did not accept a SEND: a problem of the brokers, or a message that is too large for them."},
	FrameRate:           {Session, "frames_per_second", 1008, "Too many frames a second: `limits.frames_per_second`."},
	FrameBytes:          {Session, "client_frame_bytes", 1009, "A frame is too large, or has too many headers: `limits.client_frame_bytes`, `limits.headers`, `limits.header_bytes`."},
	Subscriptions:       {Session, "subscriptions", 1008, "The session has too many subscriptions: `limits.subscriptions`."},
	Patterns:            {Session, "patterns", 1008, "The project has too many different patterns: `limits.patterns`."},
	PatternSteps:        {Session, "pattern_steps", 1008, "The project's patterns would take too long to match: `limits.pattern_steps`."},
	UserPatternSteps:    {Session, "user_pattern_steps", 1008, "The user's patterns would take too long to match: `limits.user_pattern_steps`."},
	IDBytes:             {Session, "subscription_id_bytes", 1008, "The id of a subscription or transaction is too long: `limits.subscription_id_bytes`."},
	DestinationBytes:    {Session, "destination_bytes", 1008, "A destination is too long: `limits.destination_bytes`."},
	InputBytes:          {Session, "input_bytes", 1008, "The client kept sending while its frames waited for answers: `limits.input_bytes`."},
	TransactionBytes:    {Session, "transaction_bytes", 1008, "Open transactions are too many or too large: `limits.transaction_bytes`."},
	ReplyBytes:          {Session, "reply_bytes", 0, "The client does not read its receipts and pongs: `limits.reply_bytes`."},
	SessionBytes:        {Session, "session_bytes", 1013, "The session holds more than its share of memory: `limits.session_bytes`."},
	SlowBytes:           {Session, "slow_bytes", 0, "The client has been receiving a large push for so long that its project reached its limit: `limits.slow_bytes`."},
	Slow:                {Session, "slow", 1013, "The client reads too slowly, and the policy is to disconnect: `slow.policy`, `slow.timeout`. There is no close frame if the last message was written in part."},
	Heartbeat:           {Session, "heartbeat", 1002, "The client sent nothing for three intervals of its heart-beats or pings: it, or its network, is gone."},
	SessionExpired:      {Session, "session_expired", 1008, "The token expired, and the project has `token_expiry: close`."},
	RenewalUser:         {Session, "renewal_user", 1002, "The new token that a client sent to `/stentor/token` is of another user. The session ends."},
	RenewalSubscription: {Session, "renewal_subscription", 1002, "The new token that a client sent to `/stentor/token` does not allow one of its subscriptions. The session ends."},
	RenewalUnavailable:  {Session, "renewal_unavailable", 0, "A new token could not be verified now; the text says why. The session continues, up to the end of its old token; its RECEIPT says `renewed:false`."},
	RenewalPending:      {Session, "renewal_pending", 0, "A client sent a new token while its last one was being verified. It is ignored, and the session continues; its RECEIPT says `renewed:false`."},
	RenewalRate:         {Session, "renewal_rate", 0, "A client sends new tokens too often: each counts as a quarter of `limits.frames_per_second`. It is ignored, and the session continues; its RECEIPT says `renewed:false`."},
	Kicked:              {Session, "kicked", 1008, "An operator or a back end closed the session by the API."},

	APIAuth:        {API, "api_auth", 401, "The request has no key, or one that is not valid on this node."},
	APIForbidden:   {API, "api_forbidden", 403, "The key belongs to another project, or `Host` is not a name of this server (`listen.names`, with `--dev` only)."},
	APITooLarge:    {API, "api_too_large", 413, "A body or push is too large: `limits.push_bytes`, `limits.batch_bytes`, the topic's own limit."},
	APILimit:       {API, "api_limit", 429, "The key's owner used up its share: `limits.api_bytes`, `limits.api_connections`, `projects.NAME.limits.pushes_per_second`, or its turns."},
	APIBusy:        {API, "api_busy", 503, "Others use up a limit (`limits.api_bytes`, `limits.api_connections`), or too many of the project's pushes wait for delivery (`limits.pending_bytes`)."},
	APIStopping:    {API, "api_stopping", 503, "The node is stopping."},
	APITimeout:     {API, "api_timeout", 503, "The node, or the bus, did not answer in time."},
	APIUnavailable: {API, "api_unavailable", 503, "The bus did not accept a push, or something else that the node needs does not work."},
	APIConnections: {API, "api_connections", 503, "A connection without a valid key was closed to accept another one: `limits.api_connections`."},
}

// String is the reason's name.
func (r Reason) String() string { return table[r].name }

// Stage is where it happens.
func (r Reason) Stage() Stage { return table[r].stage }

// Code is the answer to the client: an HTTP status, or the code of a close frame; 0 when there is no answer.
func (r Reason) Code() int { return table[r].code }

// Text is for those who run a node: what happened, and what to change.
func (r Reason) Text() string { return table[r].text }
