package auth

import "stentor/engine/refusal"

// Codes of an Error, as the header code of a STOMP ERROR has them.
const (
	CodeAuth        = "auth"
	CodeExpired     = "expired"
	CodeUnavailable = "unavailable"
)

// Error says why a client is refused. Text is fit for the header message of a STOMP ERROR; clients look for the words
// that it begins with. With CodeUnavailable nothing is wrong with the client: close with 1013 and send no ERROR.
type Error struct {
	Reason     refusal.Reason
	Code, Text string
}

// Error returns the text.
func (e *Error) Error() string { return e.Text }

// failed begins the text of each permanent refusal. It has no ':', which many clients would show escaped.
const failed = "Failed to send message, "

var (
	errNoToken       = &Error{refusal.TokenMissing, CodeAuth, failed + "a token is required"}
	errTokenLength   = &Error{refusal.TokenInvalid, CodeAuth, failed + "the token has more than 8192 bytes"}
	errTokenForm     = &Error{refusal.TokenInvalid, CodeAuth, failed + "the token is malformed"}
	errTokenKey      = &Error{refusal.TokenInvalid, CodeAuth, failed + "the token was signed with a key or an algorithm that the project does not have"}
	errSignature     = &Error{refusal.TokenInvalid, CodeAuth, failed + "the signature of the token is wrong"}
	errExpired       = &Error{refusal.TokenExpired, CodeExpired, failed + "the token has expired"}
	errTokenTime     = &Error{refusal.TokenInvalid, CodeAuth, failed + "exp or nbf of the token is not a number of seconds"}
	errNotYet        = &Error{refusal.TokenInvalid, CodeAuth, failed + "the token is not valid yet"}
	errIssuer        = &Error{refusal.TokenInvalid, CodeAuth, failed + "the issuer of the token is not that of the project"}
	errAudience      = &Error{refusal.TokenInvalid, CodeAuth, failed + "the audience of the token is not that of the project"}
	errUser          = &Error{refusal.TokenInvalid, CodeAuth, failed + "the token has no valid user, which is a string or an integer of at most 256 bytes without control characters"}
	errSubscribe     = &Error{refusal.TokenInvalid, CodeAuth, failed + "the subscribe claim of the token is not valid, it takes up to 64 destination patterns that are quick to match"}
	errNoProject     = &Error{refusal.ProjectUnknown, CodeAuth, failed + "no project was given"}
	errWhichProject  = &Error{refusal.ProjectUnknown, CodeAuth, failed + "the project is unknown"}
	errTwoProjects   = &Error{refusal.ProjectConflict, CodeAuth, failed + "two different projects were given"}
	errProvider      = &Error{refusal.TokenProvider, CodeUnavailable, "the keys of the identity provider cannot be fetched"}
	errBusy          = &Error{refusal.TokenQueue, CodeUnavailable, "too many tokens are waiting for verification"}
	errAuthenticator = &Error{refusal.Stopping, CodeUnavailable, "the node is stopping"}
)
