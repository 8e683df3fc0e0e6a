package session

// Limit is a bound that a client can meet. Its text is the key of the configuration that sets it, so that an operator
// who sees it counted knows what to change.
type Limit uint8

const (
	NoLimit Limit = iota
	LimitHandshakeTime
	LimitConnectTime
	LimitHandshakeBytes
	LimitConnectBytes
	LimitFrameBytes
	LimitFrameRate
	LimitSubscriptions
	LimitPatterns
	LimitPatternSteps
	LimitUserPatternSteps
	LimitIDBytes
	LimitDestinationBytes
	LimitInputBytes
	LimitTransactionBytes
	LimitReplyBytes
	LimitSessionBytes
	LimitSlowBytes

	// Limits is how many there are, NoLimit included.
	Limits
)

var limitKeys = [Limits]string{
	LimitHandshakeTime:    "handshake_timeout",
	LimitConnectTime:      "connect_timeout",
	LimitHandshakeBytes:   "handshake_bytes",
	LimitConnectBytes:     "connect_frame_bytes",
	LimitFrameBytes:       "client_frame_bytes",
	LimitFrameRate:        "frames_per_second",
	LimitSubscriptions:    "subscriptions",
	LimitPatterns:         "patterns",
	LimitPatternSteps:     "pattern_steps",
	LimitUserPatternSteps: "user_pattern_steps",
	LimitIDBytes:          "subscription_id_bytes",
	LimitDestinationBytes: "destination_bytes",
	LimitInputBytes:       "input_bytes",
	LimitTransactionBytes: "transaction_bytes",
	LimitReplyBytes:       "reply_bytes",
	LimitSessionBytes:     "session_bytes",
	LimitSlowBytes:        "slow_bytes",
}

// String is the key below limits.
func (l Limit) String() string { return limitKeys[l] }
