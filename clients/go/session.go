package client

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// subscription is what is known of one destination over all connections.
type subscription struct {
	mark    mark
	refused bool // the server does not serve it: it is not asked again
	told    bool // of a gap by the RECEIPT, which the next MESSAGE repeats
}

// session follows over one connection; nil means that it was ended on purpose.
func (r *run) session(ctx context.Context, c *Conn) error {
	resuming := make([]bool, len(r.subscriptions))
	for i := range r.subscriptions {
		s := &r.subscriptions[i]
		if s.refused {
			continue
		}
		resuming[i] = s.mark != nil
		s.told = false
		if err := c.Subscribe(subscriptionID(i), r.Destinations[i], s.mark.String()); err != nil {
			c.Close()
			return err
		}
	}
	sender := r.out.serve(c)
	defer sender.wait()
	defer c.Close()
	disconnect := func() {
		sender.stop() // nothing may follow a DISCONNECT
		_ = c.Disconnect()
	}
	defer context.AfterFunc(ctx, disconnect)()
	for ended := false; ; {
		m, receipt, err := c.Next()
		switch {
		case errors.Is(err, ErrEnded):
			return nil
		case err != nil && ended:
			return nil // the DISCONNECT was not confirmed, but every requested message has come
		case err != nil:
			return err
		case receipt != nil:
			if r.out.answered(receipt.ID, nil) || ended {
				continue
			}
			if i := index(receipt.ID, len(r.subscriptions)); i >= 0 && r.receipt(i, receipt, resuming[i]) {
				return ErrNotSubscribed
			}
		case ended:
		case !r.message(m):
			ended = true
			disconnect()
		}
	}
}

// message takes a MESSAGE, and reports whether more are wanted.
func (r *run) message(m *Message) bool {
	if i := index(m.Subscription, len(r.subscriptions)); i >= 0 {
		s := &r.subscriptions[i]
		if incomplete(m) && !s.told {
			r.gap(i, "messages before this one may be missing")
		}
		s.told = false
		s.mark.add(m.ID)
	}
	return r.Message == nil || r.Message(m)
}

func incomplete(m *Message) bool {
	return slices.ContainsFunc(m.Headers, func(h Header) bool { return h.Name == "dropped" || h == Header{"resumed", "false"} })
}

// receipt takes the RECEIPT of a SUBSCRIBE, and reports whether no subscription is left.
func (r *run) receipt(i int, receipt *Receipt, resuming bool) (none bool) {
	if receipt.Refused != "" {
		return r.unsubscribed(i, reason(receipt.Refused))
	}
	s := &r.subscriptions[i]
	if receipt.Gap {
		r.gap(i, "messages may be missing: the server no longer has everything since the last one")
		s.told = true
		s.mark = nil
	}
	if !resuming {
		r.notice(r.Destinations[i] + ": subscribed")
	}
	// While old messages are on their way, the server's position is ahead of what was seen.
	if !resuming || receipt.Gap {
		s.mark.add(receipt.Position)
	}
	return false
}

func (r *run) gap(i int, text string) {
	if r.Gap != nil {
		r.Gap(r.Destinations[i])
		return
	}
	r.notice(r.Destinations[i] + ": " + text)
}

// unsubscribed gives a destination up, and reports whether it was the last one.
func (r *run) unsubscribed(i int, why string) (none bool) {
	r.subscriptions[i].refused = true
	r.notice(r.Destinations[i] + ": not subscribed: " + why)
	return !slices.ContainsFunc(r.subscriptions, func(s subscription) bool { return !s.refused })
}

// reason is the text for a RECEIPT's reason to refuse a subscription.
func reason(code string) string {
	switch code {
	case "not-served":
		return "the project does not serve this destination; see subscribe and destinations of the project"
	case "id-in-use":
		return "its id is in use for another destination"
	}
	return code
}

const subscriptionPrefix = "sub-"

func subscriptionID(i int) string { return subscriptionPrefix + strconv.Itoa(i) }

// index is the inverse of subscriptionID, -1 for an id that is not one of its results.
func index(id string, n int) int {
	rest, ok := strings.CutPrefix(id, subscriptionPrefix)
	i, err := strconv.Atoi(rest)
	if !ok || err != nil || i < 0 || i >= n {
		return -1
	}
	return i
}
