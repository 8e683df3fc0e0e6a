import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.java_websocket.client.WebSocketClient;
import org.java_websocket.drafts.Draft_6455;
import org.java_websocket.enums.Opcode;
import org.java_websocket.extensions.permessage_deflate.PerMessageDeflateExtension;
import org.java_websocket.handshake.ServerHandshake;
import org.java_websocket.protocols.Protocol;

/** WebSockets of Java-WebSocket, driven by the Go test over standard input, see compression_test.go. */
class Sockets {
  private static final Pattern MEMBER = Pattern.compile("\"(\\w+)\":(?:\"([^\"\\\\]*)\"|(\\w+))");
  private static final Map<String, Socket> sockets = new HashMap<>();

  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      Map<String, String> command = new HashMap<>();
      for (Matcher m = MEMBER.matcher(line); m.find(); ) command.put(m.group(1), m.group(2) != null ? m.group(2) : m.group(3));
      obey(command.get("client"), command);
    }
    System.exit(0);
  }

  private static void obey(String client, Map<String, String> command) throws Exception {
    if (command.get("do").equals("open")) {
      Socket socket = new Socket(client, new URI(command.get("url")));
      sockets.put(client, socket);
      if (command.containsKey("agent")) socket.addHeader("User-Agent", command.get("agent"));
      socket.setConnectionLostTimeout(0);
      socket.connect();
      return;
    }
    Socket socket = sockets.get(client);
    switch (command.get("do")) {
      case "send" -> socket.send(command);
      case "pause" -> socket.pause();
      case "go on" -> socket.goOn();
      case "drop" -> socket.getSocket().close();
      case "close" -> socket.close();
      default -> throw new IllegalArgumentException(command.toString());
    }
  }

  private static synchronized void emit(String client, String event, String members) {
    System.out.println("{\"client\":\"" + client + "\",\"event\":\"" + event + "\"" + members + "}");
  }

  private static class Socket extends WebSocketClient {
    private final String client;
    private boolean paused;

    Socket(String client, URI uri) {
      super(uri, new Draft_6455(List.of(everything()), List.of(new Protocol("v12.stomp"))));
      this.client = client;
    }

    private static PerMessageDeflateExtension everything() {
      PerMessageDeflateExtension e = new PerMessageDeflateExtension();
      e.setThreshold(0);
      return e;
    }

    void send(Map<String, String> command) {
      byte[] content = Base64.getDecoder().decode(command.getOrDefault("base64", ""));
      boolean binary = "true".equals(command.get("binary"));
      int fragments = Integer.parseInt(command.getOrDefault("fragments", "1"));
      if (fragments == 1 && binary) {
        send(content);
      } else if (fragments == 1) {
        send(new String(content, StandardCharsets.UTF_8));
      } else {
        int size = (content.length + fragments - 1) / fragments;
        for (int i = 0; i < fragments; i++) {
          byte[] part = Arrays.copyOfRange(content, i * size, Math.min(content.length, (i + 1) * size));
          sendFragmentedFrame(binary ? Opcode.BINARY : Opcode.TEXT, ByteBuffer.wrap(part), i == fragments - 1);
        }
      }
    }

    synchronized void pause() {
      paused = true;
      emit(client, "paused", "");
    }

    synchronized void goOn() {
      paused = false;
      notifyAll();
    }

    /** What blocks here keeps the thread from reading. */
    private synchronized void message(byte[] content, boolean binary) {
      while (paused) {
        try {
          wait();
        } catch (InterruptedException e) {
          return;
        }
      }
      emit(client, "message", ",\"binary\":" + binary + ",\"base64\":\"" + Base64.getEncoder().encodeToString(content) + "\"");
    }

    @Override
    public void onOpen(ServerHandshake answer) {
      emit(client, "open", ",\"protocol\":\"" + answer.getFieldValue("Sec-WebSocket-Protocol") + "\",\"reason\":\"" + answer.getFieldValue("Sec-WebSocket-Extensions") + "\"");
    }

    @Override
    public void onMessage(String text) {
      message(text.getBytes(StandardCharsets.UTF_8), false);
    }

    @Override
    public void onMessage(ByteBuffer bytes) {
      byte[] content = new byte[bytes.remaining()];
      bytes.get(content);
      message(content, true);
    }

    @Override
    public void onClose(int code, String reason, boolean remote) {
      emit(client, "close", ",\"code\":" + code);
    }

    @Override
    public void onError(Exception e) {
      e.printStackTrace();
    }
  }
}
