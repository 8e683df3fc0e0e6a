package session

import "stentor/engine/refusal"

// Limit is a bound that a client can meet. Its text is the key of the configuration that sets it, so that an operator
// who sees it counted knows what to change.
type Limit uint8

const (
	NoLimit Limit = iota
	LimitHandshakeTime
	LimitConnectTime
	LimitHandshakeBytes
	LimitConnectBytes
	LimitSessionsPerUser
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

var limitReasons = [Limits]refusal.Reason{
	LimitHandshakeTime:    refusal.HandshakeTimeout,
	LimitConnectTime:      refusal.ConnectTimeout,
	LimitHandshakeBytes:   refusal.HandshakeBytes,
	LimitConnectBytes:     refusal.ConnectFrameBytes,
	LimitSessionsPerUser:  refusal.SessionsPerUser,
	LimitFrameBytes:       refusal.FrameBytes,
	LimitFrameRate:        refusal.FrameRate,
	LimitSubscriptions:    refusal.Subscriptions,
	LimitPatterns:         refusal.Patterns,
	LimitPatternSteps:     refusal.PatternSteps,
	LimitUserPatternSteps: refusal.UserPatternSteps,
	LimitIDBytes:          refusal.IDBytes,
	LimitDestinationBytes: refusal.DestinationBytes,
	LimitInputBytes:       refusal.InputBytes,
	LimitTransactionBytes: refusal.TransactionBytes,
	LimitReplyBytes:       refusal.ReplyBytes,
	LimitSessionBytes:     refusal.SessionBytes,
	LimitSlowBytes:        refusal.SlowBytes,
}

// Reason is why a client is refused that meets it.
func (l Limit) Reason() refusal.Reason { return limitReasons[l] }

// String is the key below limits. It is the name of the reason, too.
func (l Limit) String() string { return limitReasons[l].String() }
