// Read outcomes. AMQP_URL in the environment, QUEUE (orders.results); Java 15 or later, com.rabbitmq:amqp-client 5.x
// and slf4j-api:
//   java -cp amqp-client.jar:slf4j-api.jar Read.java
// Read the JSON with a library as soon as you need more of it than this.
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class Read {
    private static final int REMEMBERED = 10_000; // outcomes: a crash repeats the latest

    public static void main(String[] arguments) throws Exception {
        ConnectionFactory factory = new ConnectionFactory(); // it connects again by itself
        factory.setUri(System.getenv("AMQP_URL"));
        String queue = System.getenv().getOrDefault("QUEUE", "orders.results");
        Set<String> seen = Collections.newSetFromMap(new LinkedHashMap<>() {
            @Override
            protected boolean removeEldestEntry(Map.Entry<String, Boolean> eldest) {
                return size() > REMEMBERED;
            }
        });
        Connection connection = factory.newConnection("outcomes");
        Channel channel = connection.createChannel();
        channel.basicQos(100);
        channel.basicConsume(queue, false, (tag, message) -> {
            String outcome = new String(message.getBody(), StandardCharsets.UTF_8);
            if (seen.add(text(outcome, "id"))) handle(outcome); // the same id: the same outcome once more
            channel.basicAck(message.getEnvelope().getDeliveryTag(), false); // once it is handled
        }, tag -> System.exit(1)); // the queue was deleted
    }

    /** Yours: a record of the order, a task for somebody, a message to the shop. */
    private static void handle(String outcome) {
        String code = text(outcome, "code");
        String why = code == null ? "-" : code + ": " + text(outcome, "message");
        System.out.println(String.join(" ", text(outcome, "status"), text(outcome, "subject"),
            text(outcome, "correlationid"), why));
    }

    /** The first text of that name; null where there is none, or null stands there. */
    private static String text(String json, String name) {
        Matcher found = Pattern.compile("\"" + name + "\":\"((?:[^\"\\\\]|\\\\.)*)\"").matcher(json);
        return found.find() ? found.group(1).replace("\\\"", "\"").replace("\\\\", "\\") : null;
    }
}
