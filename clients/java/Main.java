import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * Runs the client of docs/clients.md. It prints what happens, a line each. To "token" it is answered with a token, or with
 * an empty line, as if there were none to be had. With the end of its standard input it closes the client.
 */
class Main {
  public static void main(String[] args) throws Exception {
    BlockingQueue<String> tokens = new LinkedBlockingQueue<>();
    Orders orders = new Orders(args[0], () -> {
      say("token");
      String token = tokens.take();
      if (token.isEmpty()) throw new IllegalStateException("no token");
      return token;
    }, new Lines());
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line = in.readLine(); line != null; line = in.readLine()) tokens.add(line);
    orders.close();
  }

  private static synchronized void say(String line) {
    System.out.println(line);
  }

  private static class Lines implements Orders.Listener {
    @Override
    public void show(String body) {
      say("show " + body);
    }

    @Override
    public void gap() {
      say("gap");
    }

    @Override
    public void waiting(long millis, Throwable why) {
      say("waiting " + millis);
    }

    @Override
    public void refused(String why) {
      say("refused " + why);
    }
  }
}
