package fake

import (
	"strings"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Skip, as the body of a record, makes the server leave out the next one.
const Skip = "skip the next record"

// read pushes the records of a topic, from its beginning, until stop is called.
func (s *Server) read(brokers []string, topic string) (stop func(), err error) {
	c, err := kafka.NewConsumer(&kafka.ConfigMap{
		"bootstrap.servers": strings.Join(brokers, ","), "group.id": "fake", "enable.auto.commit": false,
		"enable.partition.eof": true, "fetch.wait.max.ms": 5,
	})
	if err != nil {
		return nil, err
	}
	if err := c.Assign([]kafka.TopicPartition{{Topic: &topic, Partition: 0, Offset: kafka.OffsetBeginning}}); err != nil {
		return nil, err
	}
	s.reading.Store(true)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		skip := false
		for {
			select {
			case <-quit:
				return
			default:
			}
			switch e := c.Poll(20).(type) {
			case *kafka.Message:
				if !skip && string(e.Value) != Skip {
					s.pushRecord(e)
				}
				skip = string(e.Value) == Skip
			case kafka.PartitionEOF:
				s.reading.Store(false)
			}
		}
	}()
	return func() {
		close(quit)
		<-done
		c.Close()
	}, nil
}

func (s *Server) pushRecord(m *kafka.Message) {
	var destination, user string
	for _, h := range m.Headers {
		switch h.Key {
		case "destination":
			destination = string(h.Value)
		case "user":
			user = string(h.Value)
		}
	}
	if user != "" {
		destination = "/user" + destination
	}
	s.PushUser(user, destination, m.Value)
}
