#!/bin/sh
# Publish one order event with curl, over RabbitMQ's management API: to try things out, not for production
# (a call for each event, and the API may lose one when a node fails).
#   MANAGEMENT=http://guest:guest@127.0.0.1:15672 VHOST=%2F sh publish.sh
set -eu
: "${MANAGEMENT:?is not set; say where the management API is, as http://guest:guest@127.0.0.1:15672}"
id=$(cat /proc/sys/kernel/random/uuid)
time=$(date -u +%Y-%m-%dT%H:%M:%SZ)
event="{\"specversion\":\"1.0\",\"id\":\"$id\",\"source\":\"/shops/eu-1\",\"type\":\"ordersync.order.upsert.v1\",\"subject\":\"A-0\",\"time\":\"$time\",\"data\":{\"properties\":{\"hs_order_name\":\"Tent\",\"hs_total_price\":\"129.90\"},\"line_items\":{\"mode\":\"replace\",\"items\":[{\"key\":\"1\",\"properties\":{\"name\":\"Tent\",\"price\":\"129.90\"}}]}}}"
quoted=$(printf %s "$event" | sed 's/"/\\"/g')
answer=$(curl --fail --silent --show-error --request POST "$MANAGEMENT/api/exchanges/${VHOST:-%2F}/orders.events/publish" \
  --header 'content-type: application/json' --data @- <<JSON
{"routing_key": "order", "payload_encoding": "string", "payload": "$quoted",
 "properties": {"content_type": "application/cloudevents+json", "delivery_mode": 2, "message_id": "$id"}}
JSON
)
case $answer in *'"routed":true'*) ;; *) echo "no queue took it: $answer" >&2; exit 1 ;; esac
