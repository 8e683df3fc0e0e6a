//go:build kafka

package load

import (
	"fmt"
	"testing"
	"time"

	"stentor/bench/machine/server"
	"stentor/kafka/kafkatest"
)

// Pushes that go straight to a real Kafka, past the node's API.
func TestPushToKafka(t *testing.T) {
	broker := kafkatest.Bootstrap(t)
	run := fmt.Sprint(time.Now().UnixNano())
	c := server.NewCredentials()
	s, _, err := server.Start(bounded(t), stentor, t.TempDir(), server.Config{Credentials: c, Kafka: &server.Kafka{
		Node: "load-" + run, Brokers: []string{broker}, Topic: "push-" + run, NodesTopic: "nodes-" + run,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	r := runs(t, "soak", "--url=ws://"+s.Client.String()+server.Path, "--api="+s.API(), "--project=bench", "--secret="+c.Secret,
		"--connections=100", "--rate=20", "--user-rate=50", "--churn-rate=20", "--duration=1s", "--open-rate=0",
		"--kafka-brokers="+broker, "--kafka-topic=push-"+run)
	if all := r.Total(); !r.Verdict.Good || all.Delivered != 2050 || all.Pushed != 70 {
		t.Errorf("%+v %v", all, r.Verdict.Problems)
	}
}
