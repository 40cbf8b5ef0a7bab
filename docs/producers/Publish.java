// Publish order events. AMQP_URL in the environment; Java 15 or later, com.rabbitmq:amqp-client 5.x and slf4j-api:
//   java -cp amqp-client.jar:slf4j-api.jar Publish.java
// Write the JSON with a library as soon as a value of yours goes into it. A line's key is its number within its order,
// never its product.
import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Date;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentLinkedQueue;

public class Publish {
    public static void main(String[] arguments) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri(System.getenv("AMQP_URL"));
        try (Connection connection = factory.newConnection("orders"); Channel channel = connection.createChannel()) {
            channel.confirmSelect();
            ConcurrentLinkedQueue<String> returned = new ConcurrentLinkedQueue<>(); // no queue took it
            channel.addReturnListener(message -> returned.add(message.getProperties().getMessageId()));
            for (int number = 0; number < 3; number++) {
                String id = UUID.randomUUID().toString(); // with `source` the event's name: the same when sent again
                String event = """
                    {"specversion": "1.0", "id": "%s", "source": "/shops/eu-1",
                     "type": "ordersync.order.upsert.v1", "subject": "A-%d", "time": "%s",
                     "data": {"properties": {"hs_order_name": "Tent", "hs_total_price": "129.90"},
                              "line_items": {"mode": "replace", "items": [
                                {"key": "1", "properties":
                                  {"name": "Tent", "hs_sku": "T-1", "quantity": 1, "price": "129.90"}}]}}}
                    """.formatted(id, number, Instant.now());
                AMQP.BasicProperties properties = new AMQP.BasicProperties.Builder()
                    .contentType("application/cloudevents+json")
                    .deliveryMode(2)
                    .messageId(id)
                    .timestamp(new Date())
                    .headers(Map.of())
                    .build();
                byte[] body = event.getBytes(StandardCharsets.UTF_8);
                channel.basicPublish("orders.events", "order", true, properties, body); // true: mandatory
            }
            channel.waitForConfirmsOrDie(10_000);
            if (!returned.isEmpty()) throw new IllegalStateException("not routed: " + returned);
        }
    }
}
