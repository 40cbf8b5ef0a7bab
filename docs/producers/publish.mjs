// Publish order events. npm install amqplib; AMQP_URL=amqp://… node publish.mjs
import { randomUUID } from "node:crypto";
import amqp from "amqplib";

function upserted(order, properties, lines) {
  return {
    specversion: "1.0",
    id: randomUUID(), // with `source` the event's name: the same when you send it again
    source: "/shops/eu-1",
    type: "ordersync.order.upsert.v1",
    subject: order,
    time: new Date().toISOString(),
    data: { properties, line_items: { mode: "replace", items: lines } },
  };
}

const connection = await amqp.connect(process.env.AMQP_URL);
const channel = await connection.createConfirmChannel();
const returned = [];
channel.on("return", (message) => returned.push(message.properties.messageId)); // no queue took it

for (let number = 0; number < 3; number++) {
  const tent = { name: "Tent", hs_sku: "T-1", quantity: 1, price: "129.90" };
  const properties = { hs_order_name: "Tent", hs_total_price: "129.90" };
  // The line's key within its order: its number, never its product.
  const event = upserted(`A-${number}`, properties, [{ key: "1", properties: tent }]);
  channel.publish("orders.events", "order", Buffer.from(JSON.stringify(event)), {
    contentType: "application/cloudevents+json",
    persistent: true,
    mandatory: true,
    messageId: event.id,
    timestamp: Math.floor(Date.now() / 1000),
  });
}
await channel.waitForConfirms(); // throws where the broker refused one
await connection.close();
if (returned.length) throw new Error(`not routed: ${returned}`);
