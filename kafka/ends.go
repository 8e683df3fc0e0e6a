package kafka

import (
	"context"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// partitionEnd is where a partition ended, some time after at.
type partitionEnd struct {
	offset int64
	at     time.Time
}

// ends asks the leaders of partitions where the partitions end. Answers to fetches have that too, but a node that cannot
// reach a leader, or is throttled by a broker, gets no answers, and would believe that there is nothing more to read.
type ends struct {
	parts chan []*partition // to be asked for
}

// want requests the ends of partitions, unless an earlier request is still unanswered. It does not wait.
func (e *ends) want(parts []*partition) {
	select {
	case e.parts <- parts:
	default:
	}
}

// run asks until ctx ends.
func (e *ends) run(ctx context.Context, admin *ck.AdminClient) {
	for {
		select {
		case <-ctx.Done():
			return
		case parts := <-e.parts:
			ask(ctx, admin, parts)
		}
	}
}

// endTime is how long the leaders have to answer.
const endTime = 2 * time.Second

// ask stores where the partitions end. Those whose leaders do not answer keep their last known end. offsets was called for
// their topics before: see leadersTime.
func ask(ctx context.Context, admin *ck.AdminClient, parts []*partition) {
	at := time.Now()
	keys := make([]partitionKey, len(parts))
	for i, p := range parts {
		keys[i] = p.key()
	}
	ctx, cancel := context.WithTimeout(ctx, 2*endTime)
	defer cancel()
	got, _ := listOffsets(ctx, admin, keys, ck.LatestOffsetSpec, // an end that stays unknown shows as lateness
		ck.SetAdminRequestTimeout(endTime), ck.SetAdminIsolationLevel(ck.IsolationLevelReadCommitted))
	for _, p := range parts {
		if offset, ok := got[p.key()]; ok && offset != none {
			p.known.Store(&partitionEnd{offset, at})
		}
	}
}
