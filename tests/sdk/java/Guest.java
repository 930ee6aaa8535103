import io.github.centrifugal.centrifuge.*;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * A client of the Java SDK that is led by lines: Guest URL CHANNEL.
 *
 * <p>Prints what happens, an event a line; asks for tokens by `token` and `subtoken`. Takes `token T`, `subtoken T`,
 * `publish TEXT`, `stats` and `history N`.
 */
public class Guest {
    private static final Queue<TokenCallback> tokens = new ConcurrentLinkedQueue<>();
    private static final Queue<TokenCallback> subtokens = new ConcurrentLinkedQueue<>();

    private static synchronized void say(String format, Object... values) {
        System.out.println(String.format(format, values));
    }

    private static <T> ResultCallback<T> answer(java.util.function.Function<T, String> tell) {
        return (error, result) -> say("%s", error == null ? tell.apply(result) : "refused " + error.getMessage());
    }

    private static EventListener ofClient() {
        return new EventListener() {
            @Override
            public void onConnected(Client client, ConnectedEvent event) {
                say("connected");
            }

            @Override
            public void onDisconnected(Client client, DisconnectedEvent event) {
                say("disconnected %d %s", event.getCode(), event.getReason());
            }
        };
    }

    private static SubscriptionEventListener ofSubscription() {
        return new SubscriptionEventListener() {
            @Override
            public void onSubscribed(Subscription subscription, SubscribedEvent event) {
                say("subscribed %s %s", event.wasRecovering(), event.getRecovered());
            }

            @Override
            public void onUnsubscribed(Subscription subscription, UnsubscribedEvent event) {
                say("unsubscribed %d %s", event.getCode(), event.getReason());
            }

            @Override
            public void onPublication(Subscription subscription, PublicationEvent event) {
                say("publication %s", new String(event.getData(), StandardCharsets.UTF_8));
            }

            @Override
            public void onJoin(Subscription subscription, JoinEvent event) {
                say("join %s", event.getInfo().getUser());
            }
        };
    }

    public static void main(String[] args) throws Exception {
        Options options = new Options();
        options.setMinReconnectDelay(20);
        options.setMaxReconnectDelay(200);
        options.setTokenGetter(new ConnectionTokenGetter() {
            @Override
            public void getConnectionToken(ConnectionTokenEvent event, TokenCallback callback) {
                tokens.add(callback);
                say("token");
            }
        });
        SubscriptionOptions terms = new SubscriptionOptions();
        if (args[1].startsWith("$")) {
            terms.setTokenGetter(new SubscriptionTokenGetter() {
                @Override
                public void getSubscriptionToken(SubscriptionTokenEvent event, TokenCallback callback) {
                    subtokens.add(callback);
                    say("subtoken");
                }
            });
        }
        Client client = new Client(args[0], options, ofClient());
        Subscription subscription = client.newSubscription(args[1], terms, ofSubscription());
        subscription.subscribe();
        client.connect();

        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = lines.readLine()) != null; ) {
            String[] words = line.split(" ", 2);
            switch (words[0]) {
                case "token" -> tokens.remove().Done(null, words[1]);
                case "subtoken" -> subtokens.remove().Done(null, words[1]);
                case "publish" -> subscription.publish(
                        words[1].getBytes(StandardCharsets.UTF_8), answer(result -> "published"));
                case "stats" -> subscription.presenceStats(
                        answer(result -> "stats " + result.getNumClients() + " " + result.getNumUsers()));
                case "history" -> subscription.history(
                        new HistoryOptions.Builder().withLimit(Integer.parseInt(words[1])).build(),
                        answer(result -> "history " + result.getPublications().size() + " " + result.getOffset()));
                default -> throw new IllegalArgumentException(line);
            }
        }
        System.exit(0);
    }
}
