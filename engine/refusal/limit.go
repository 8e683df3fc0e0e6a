package refusal

// Limit is the reason named after the limit that was met, its key below limits in the configuration; None when it was not a
// limit.
func (r Reason) Limit() Reason {
	switch r {
	case HandshakeHeaders:
		return HandshakeBytes
	case TokenTimeout:
		return ConnectTimeout
	case Connections, ConnectionsPerAddress, Unauthenticated, UnauthenticatedPerAddress, HandshakeTimeout, HandshakeBytes,
		ConnectTimeout, ConnectFrameBytes, SessionsPerUser, FrameRate, FrameBytes, Subscriptions, Patterns, PatternSteps, UserPatternSteps,
		IDBytes, DestinationBytes, InputBytes, TransactionBytes, ReplyBytes, SessionBytes, SlowBytes:
		return r
	}
	return None
}
