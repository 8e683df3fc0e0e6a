package kafka

import (
	"context"
	"errors"
	"fmt"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// needs adds to a broker's authorization error which ACLs are needed on which topic. It returns any other error as it is.
func needs(err error, acls, topic string) error {
	var e ck.Error
	if !errors.As(err, &e) || e.Code() != ck.ErrTopicAuthorizationFailed && e.Code() != ck.ErrClusterAuthorizationFailed {
		return err
	}
	return fmt.Errorf("%w: the node's user needs the ACL %s on topic %s", err, acls, topic)
}

// unanswered reports whether an error says only that there was no answer.
func unanswered(err error) bool {
	var e ck.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) && (e.Code() == ck.ErrTransport || e.Code() == ck.ErrTimedOut)
}

// refusal explains an error of a connection to the brokers, if it is one that only an operator can fix.
func refusal(e ck.Error) (text string, ok bool) {
	switch e.Code() {
	case ck.ErrAuthentication, ck.ErrSaslAuthenticationFailed:
		return "the brokers refuse this node's credentials (sasl.* of kafka.properties): " + e.Error(), true
	case ck.ErrSsl:
		return "TLS with the brokers fails (security.protocol and ssl.* of kafka.properties): " + e.Error(), true
	case ck.ErrResolve:
		return "a broker's host name cannot be resolved (kafka.brokers): " + e.Error(), true
	}
	return "", false
}
