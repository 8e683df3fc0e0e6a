import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Map;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;
import org.springframework.kafka.core.DefaultKafkaProducerFactory;
import org.springframework.kafka.core.KafkaTemplate;

/** Pushes with spring-kafka: mvn -q compile exec:java. Acknowledgement by all replicas, idempotence and the right partitioner are Java's defaults. */
public class Push {
    private final KafkaTemplate<String, String> kafka;

    Push(KafkaTemplate<String, String> kafka) {
        this.kafka = kafka;
    }

    void push(String key, String body, Map<String, String> headers) throws Exception {
        // A ProducerRecord, since Spring adds no headers of its own to it.
        var record = new ProducerRecord<>("stentor.push.shop", key, body);
        headers.forEach((name, value) -> record.headers().add(name, value.getBytes(UTF_8)));
        kafka.send(record).get();
    }

    /** In Spring Boot the KafkaTemplate is injected, and spring.kafka.bootstrap-servers says where Kafka is. */
    public static void main(String[] args) throws Exception {
        var producers = new DefaultKafkaProducerFactory<String, String>(
                Map.of(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("KAFKA_BOOTSTRAP")),
                new StringSerializer(), new StringSerializer());
        var push = new Push(new KafkaTemplate<>(producers));

        // To every subscriber of /topic/shop/all. The key is the destination.
        push.push("/topic/shop/all", "{\"text\":\"Open until ten tonight\"}", Map.of(
                "destination", "/topic/shop/all", "content-type", "application/json", "ttl-ms", "60000", "push-id", "hours-1"));
        // To the user alice, who subscribed to /user/queue/orders.
        push.push("user/alice", "{\"order\":7,\"state\":\"sent\"}", Map.of(
                "destination", "/queue/orders", "user", "alice", "content-type", "application/json", "push-id", "order-7-sent"));
        producers.destroy();
    }
}
