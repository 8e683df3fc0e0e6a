//go:build kafka

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"stentor/kafka/kafkatest"
)

// A push that Stentor takes and Kafka does not is answered at once, for good, and with what to change; others pass.
func TestTooLargeForKafka(t *testing.T) {
	const limit = 100_000
	bootstrap := kafkatest.Bootstrap(t)
	c := newCluster(t, bootstrap, 1)
	if _, err := kafkatest.RunTool(bootstrap, kafkatest.Configs, "--alter", "--entity-type", "topics", "--entity-name", c.pushTopic(),
		"--add-config", fmt.Sprint("max.message.bytes=", limit)); err != nil {
		t.Fatal(err)
	}
	for _, push := range []struct {
		size, status int
		says         string
	}{
		{limit / 2, http.StatusOK, "position"},
		{2 * limit, http.StatusRequestEntityTooLarge, "topic"},
		{2 << 20, http.StatusRequestEntityTooLarge, "limits.push_bytes"},
		{limit / 2, http.StatusOK, "position"},
	} {
		got := c.push(c.nodes[0], "a", push.size)
		if got.Status != push.status || !strings.Contains(string(got.Body), push.says) || got.Header.Get("Retry-After") != "" {
			t.Errorf("a push of %d bytes: %d %s", push.size, got.Status, got.Body)
		}
	}
}
