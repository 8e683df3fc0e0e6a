import jakarta.websocket.ContainerProvider;
import jakarta.websocket.WebSocketContainer;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Type;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.springframework.messaging.converter.StringMessageConverter;
import org.springframework.messaging.simp.stomp.*;
import org.springframework.web.socket.client.standard.StandardWebSocketClient;
import org.springframework.web.socket.messaging.WebSocketStompClient;
import org.springframework.web.socket.sockjs.client.*;

/**
 * Spring's SockJsClient with one transport, "websocket" or "xhr", at a URL with the credentials. It subscribes to a destination and
 * prints what happens, a line each; each line that it reads it sends there. With the end of its standard input it disconnects.
 */
class SockJs {
  public static void main(String[] args) throws Exception {
    WebSocketContainer container = ContainerProvider.getWebSocketContainer();
    container.setDefaultMaxTextMessageBufferSize(1 << 20); // Tomcat's own is 8 KiB
    Transport transport = args[0].equals("xhr") ? new RestTemplateXhrTransport() : new WebSocketTransport(new StandardWebSocketClient(container));
    SockJsClient sockJs = new SockJsClient(List.of(transport));
    WebSocketStompClient client = new WebSocketStompClient(sockJs);
    client.setMessageConverter(new StringMessageConverter());
    client.setInboundMessageSizeLimit(1 << 20);
    String destination = args[2];
    StompSession session = client.connectAsync(args[1], new StompSessionHandlerAdapter() {
      @Override
      public void afterConnected(StompSession session, StompHeaders headers) {
        say("connected " + headers.getFirst("user-name"));
      }

      @Override
      public void handleException(StompSession session, StompCommand command, StompHeaders headers, byte[] payload, Throwable e) {
        say("failed " + e);
      }

      @Override
      public void handleTransportError(StompSession session, Throwable e) {
        say("lost " + e);
      }
    }).get(60, TimeUnit.SECONDS);
    session.subscribe(destination, new StompFrameHandler() {
      @Override
      public Type getPayloadType(StompHeaders headers) {
        return String.class;
      }

      @Override
      public void handleFrame(StompHeaders headers, Object payload) {
        say("message " + payload);
      }
    });
    session.send(destination, "from Java, grüße 世界 🎉");
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
    for (String line = in.readLine(); line != null; line = in.readLine()) session.send(destination, line);
    if (session.isConnected()) session.disconnect();
    sockJs.stop();
    System.exit(0); // Tomcat's client keeps threads
  }

  private static synchronized void say(String line) {
    System.out.println(line);
  }
}
