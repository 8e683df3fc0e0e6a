package tls13

import (
	"errors"
	"fmt"
)

// Alert is the description of an alert (section 6).
type Alert uint8

// Alerts that are sent.
const (
	CloseNotify       Alert = 0
	UnexpectedMessage Alert = 10
	BadRecordMAC      Alert = 20
	RecordOverflow    Alert = 22
	IllegalParameter  Alert = 47
	DecodeError       Alert = 50
	ProtocolVersion   Alert = 70
	InternalError     Alert = 80
)

// userCanceled is ignored: it announces a close_notify (section 6.1). Java sends it in front of each.
const userCanceled Alert = 90

// Levels of alerts (section 6).
const (
	warning = 1
	fatal   = 2
)

// String is the name of the alert in the RFC.
func (a Alert) String() string {
	switch a {
	case CloseNotify:
		return "close_notify"
	case UnexpectedMessage:
		return "unexpected_message"
	case BadRecordMAC:
		return "bad_record_mac"
	case RecordOverflow:
		return "record_overflow"
	case IllegalParameter:
		return "illegal_parameter"
	case DecodeError:
		return "decode_error"
	case ProtocolVersion:
		return "protocol_version"
	case InternalError:
		return "internal_error"
	}
	return fmt.Sprintf("alert %d", uint8(a))
}

// Errors that need no alert.
var (
	// ErrCloseNotify: the peer sends nothing more.
	ErrCloseNotify = errors.New("close_notify")
	// ErrClosed: this half ended before, with an error or an alert, or the connection was never taken over.
	ErrClosed = errors.New("the TLS connection has ended")
)

// RemoteAlert is the alert with which the peer ended the connection. None is sent in return.
type RemoteAlert Alert

// Error implements error.
func (a RemoteAlert) Error() string { return "the peer sent the alert " + Alert(a).String() }

// Error is what the peer did wrong. There is a fixed set of them.
type Error struct {
	Alert Alert // to be sent to the peer
	text  string
}

// Error implements error.
func (e *Error) Error() string { return e.text }

// AlertOf is the alert that is to be sent because of err; ok is false when none is.
func AlertOf(err error) (a Alert, ok bool) {
	if e, is := errors.AsType[*Error](err); is {
		return e.Alert, true
	}
	return 0, false
}

// What a peer may do wrong.
var (
	errType          = &Error{UnexpectedMessage, "a record that is not encrypted came after the handshake"}
	errVersion       = &Error{ProtocolVersion, "a record has another version than 0x0303"}
	errOverflow      = &Error{RecordOverflow, "a record is longer than 2^14+256 bytes"}
	errLong          = &Error{RecordOverflow, "the content of a record is longer than 2^14 bytes"}
	errMAC           = &Error{BadRecordMAC, "a record cannot be decrypted"}
	errNoType        = &Error{UnexpectedMessage, "a record has padding only"}
	errContentType   = &Error{UnexpectedMessage, "a record has a content that may not be encrypted"}
	errEmpty         = &Error{UnexpectedMessage, "too many records in a row carried no data"}
	errAlert         = &Error{DecodeError, "an alert has another length than 2 bytes"}
	errEmptyMessage  = &Error{UnexpectedMessage, "a record of handshake messages is empty"}
	errMessage       = &Error{UnexpectedMessage, "a handshake message other than KeyUpdate came after the handshake"}
	errInterleaved   = &Error{UnexpectedMessage, "another record came between the parts of a KeyUpdate"}
	errUpdateLength  = &Error{DecodeError, "a KeyUpdate has another length than 1 byte"}
	errUpdateRequest = &Error{IllegalParameter, "a KeyUpdate asks neither for an answer nor for none"}
	errUpdateBehind  = &Error{UnexpectedMessage, "a KeyUpdate is not the last message of its record"}
	errUpdates       = &Error{UnexpectedMessage, "too many keys in a row were hardly used"}
	errInternal      = &Error{InternalError, "a key could not be derived"}
)
