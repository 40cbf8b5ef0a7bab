// Read outcomes. npm install amqplib; AMQP_URL=amqp://… [QUEUE=orders.results] node read.mjs
import amqp from "amqplib";

const REMEMBERED = 10_000; // outcomes: a crash repeats the latest

// Yours: a record of the order, a task for somebody, a message to the shop.
// Of a malformed event nobody may know the order or the id.
function handle({ subject = null, correlationid = null, data: { status, reason } }) {
  const why = reason ? `${reason.code}: ${reason.message}` : "-";
  console.log(status, subject, correlationid, why);
}

const connection = await amqp.connect(process.env.AMQP_URL);
const channel = await connection.createChannel();
// Whoever started this starts it again: what was not acknowledged comes again.
connection.on("close", () => process.exit(1));
await channel.prefetch(100);

const seen = new Set();
await channel.consume(process.env.QUEUE ?? "orders.results", (message) => {
  if (message === null) process.exit(1); // the queue was deleted
  const outcome = JSON.parse(message.content);
  if (!seen.has(outcome.id)) { // the same id: the same outcome once more
    handle(outcome);
    seen.add(outcome.id);
    if (seen.size > REMEMBERED) seen.delete(seen.values().next().value);
  }
  channel.ack(message); // once it is handled: before that, it comes again
});
