package push;

import com.fasterxml.jackson.databind.JsonNode;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.messaging.simp.SimpMessagingTemplate;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RestController;

/** A push server as Spring's guide has it: what a back end posts to /send goes to everybody who subscribed. */
@SpringBootApplication
@RestController
public class Application {
    private final SimpMessagingTemplate template;

    Application(SimpMessagingTemplate template) {
        this.template = template;
    }

    record Push(String topic, JsonNode payload) {}

    @PostMapping("/send")
    void send(@RequestBody Push push) {
        template.convertAndSend(push.topic(), push.payload());
    }

    public static void main(String[] args) {
        SpringApplication.run(Application.class, args);
    }
}
