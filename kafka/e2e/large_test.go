//go:build kafka

package e2e

import (
	"fmt"
	"io"
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
		_, api := c.nodes[0].addresses()
		body := fmt.Sprintf(`{"topic":"a","payload":"%s"}`, strings.Repeat("x", push.size))
		r, err := http.NewRequest(http.MethodPost, api+"/v1/projects/"+project+"/push", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer shop-key")
		r.Header.Set("Content-Type", "application/json")
		got, err := c.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(got.Body)
		_ = got.Body.Close()
		if got.StatusCode != push.status || !strings.Contains(string(text), push.says) || got.Header.Get("Retry-After") != "" {
			t.Errorf("a push of %d bytes: %d %s", push.size, got.StatusCode, text)
		}
	}
}
