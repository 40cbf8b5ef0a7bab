#!/bin/sh
# Read outcomes with curl, over RabbitMQ's management API: to try things out, not for production (an outcome is off
# the queue before anybody has handled it). Prints the status and the outcome, a line each, until the queue is empty.
#   MANAGEMENT=http://guest:guest@127.0.0.1:15672 VHOST=%2F sh read.sh
set -eu
: "${MANAGEMENT:?is not set; say where the management API is, as http://guest:guest@127.0.0.1:15672}"
while :; do
  answer=$(curl --fail --silent --show-error --request POST "$MANAGEMENT/api/queues/${VHOST:-%2F}/${QUEUE:-orders.results}/get" \
    --header 'content-type: application/json' --data '{"count": 100, "ackmode": "ack_requeue_false", "encoding": "auto"}')
  [ "$answer" != '[]' ] || exit 0
  # A line for each message; of each its routing key, outcome.<status>, and its payload, a text of JSON in JSON.
  printf '%s\n' "$answer" | sed 's/},{"payload_bytes"/},\n{"payload_bytes"/g' |
    sed -n 's/.*"routing_key":"outcome\.\([a-z]*\)".*"payload":"\(.*\)","payload_encoding".*/\1 \2/p' |
    sed 's/\\"/"/g; s/\\\\/\\/g'
done
