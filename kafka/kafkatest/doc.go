// Package kafkatest runs a real Apache Kafka (KRaft, one broker or several) for tests and development.
//
//	c := kafkatest.Start(t, 3)
//	c.KillBroker(1)                                        // SIGKILL; its data stays
//	err := c.RestartBroker(1)
//	out, err := c.RunTool(kafkatest.Groups, "--describe", "--group", "stentor-a")
//
// A test that needs just any Kafka calls Bootstrap, which uses KAFKA_BOOTSTRAP when it is set. The package needs Java 17,
// and Maven the first time: the jars of kafka/dev/pom.xml are cached in .cache/kafka of the repository. Each broker is a
// process of its own with a heap of 512 MB; it cannot outlive the process that started it.
package kafkatest
