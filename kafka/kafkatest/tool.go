package kafkatest

import (
	"context"
	"fmt"
	"os/exec"
	"time"
)

// Kafka's own tools, for RunTool.
const (
	Topics        = "org.apache.kafka.tools.TopicCommand"
	Groups        = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
	ACLs          = "org.apache.kafka.tools.AclCommand"
	Configs       = "kafka.admin.ConfigCommand"
	Offsets       = "org.apache.kafka.tools.GetOffsetShell"
	DeleteRecords = "org.apache.kafka.tools.DeleteRecordsCommand"
)

const toolTimeout = time.Minute

// RunTool runs one of Kafka's tools against the cluster at bootstrap and returns what it printed. It takes a second
// or two.
func RunTool(bootstrap, class string, args ...string) (string, error) {
	classPath, err := classPath()
	if err != nil {
		return "", err
	}
	return tool(classPath, class, append([]string{"--bootstrap-server", bootstrap}, args...)...)
}

func tool(classPath, class string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), toolTimeout)
	defer cancel()
	// A tool lives for a second: the simple collector and compiler save it half of its work.
	java := []string{"-Xmx256m", "-XX:+UseSerialGC", Quick, "-cp", classPath, class}
	out, err := exec.CommandContext(ctx, "java", append(java, args...)...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %q: %w\n%s", class, args, err, out)
	}
	return string(out), nil
}
