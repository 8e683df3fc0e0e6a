import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManagerFactory;

/** Peer has sessions with nodes over Java's own TLS: java Peer.java CA VERSION URL... */
public class Peer implements WebSocket.Listener {
    private final CompletableFuture<Integer> closed = new CompletableFuture<>();
    private final StringBuilder text = new StringBuilder();

    public static void main(String[] args) throws Exception {
        for (int i = 0; i < args.length; i += 3) {
            SSLParameters parameters = new SSLParameters();
            parameters.setProtocols(new String[] {args[i + 1]});
            Peer peer = new Peer();
            HttpClient.newBuilder().sslContext(trusting(args[i])).sslParameters(parameters).build()
                .newWebSocketBuilder().buildAsync(URI.create(args[i + 2]), peer).get(30, TimeUnit.SECONDS);
            int code = peer.closed.get(30, TimeUnit.SECONDS);
            if (code != 1000) {
                throw new IllegalStateException(args[i + 1] + " closed with " + code);
            }
        }
        System.exit(0);
    }

    private static SSLContext trusting(String ca) throws Exception {
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null);
        try (FileInputStream in = new FileInputStream(ca)) {
            trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    @Override
    public void onOpen(WebSocket socket) {
        WebSocket.Listener.super.onOpen(socket);
        socket.sendText("CONNECT\naccept-version:1.2\nhost:h\n\n\0", true);
    }

    @Override
    public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
        text.append(data);
        if (last) {
            String frame = text.toString();
            text.setLength(0);
            if (frame.startsWith("CONNECTED")) {
                socket.sendText("SUBSCRIBE\nid:1\ndestination:/topic/shop/peer\nreceipt:1\n\n\0", true);
            } else if (frame.startsWith("RECEIPT")) {
                socket.sendText("SEND\ndestination:/topic/shop/peer\n\n" + "x".repeat(5000) + "\0", true);
            } else if (frame.endsWith("x".repeat(5000) + "\0")) {
                socket.sendClose(1000, "");
            }
        }
        socket.request(1);
        return null;
    }

    @Override
    public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
        closed.complete(code);
        return null;
    }

    @Override
    public void onError(WebSocket socket, Throwable error) {
        closed.completeExceptionally(error);
    }
}
