// Publish order events. AMQP_URL in the environment; amqp091-go 1.6 or later:
//
//	go mod init example && go get github.com/rabbitmq/amqp091-go github.com/google/uuid && go run publish.go
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
)

func upserted(order string, properties map[string]any, lines []any) map[string]any {
	return map[string]any{
		"specversion": "1.0",
		"id":          uuid.NewString(), // with "source" the event's name: the same when you send it again
		"source":      "/shops/eu-1",
		"type":        "ordersync.order.upsert.v1",
		"subject":     order,
		"time":        time.Now().UTC().Format(time.RFC3339Nano),
		"data": map[string]any{
			"properties": properties,
			"line_items": map[string]any{"mode": "replace", "items": lines},
		},
	}
}

func run(ctx context.Context) error {
	connection, err := amqp.Dial(os.Getenv("AMQP_URL"))
	if err != nil {
		return err
	}
	defer connection.Close()
	channel, err := connection.Channel()
	if err != nil {
		return err
	}
	if err := channel.Confirm(false); err != nil {
		return err
	}
	returned := channel.NotifyReturn(make(chan amqp.Return, 3)) // no queue took it
	for number := 0; number < 3; number++ {
		tent := map[string]any{"name": "Tent", "hs_sku": "T-1", "quantity": 1, "price": "129.90"}
		properties := map[string]any{"hs_order_name": "Tent", "hs_total_price": "129.90"}
		// The line's key within its order: its number, never its product.
		line := map[string]any{"key": "1", "properties": tent}
		event := upserted(fmt.Sprintf("A-%d", number), properties, []any{line})
		body, err := json.Marshal(event)
		if err != nil {
			return err
		}
		const mandatory, immediate = true, false
		confirm, err := channel.PublishWithDeferredConfirmWithContext(ctx, "orders.events", "order", mandatory, immediate, amqp.Publishing{
			ContentType:  "application/cloudevents+json",
			DeliveryMode: amqp.Persistent,
			MessageId:    event["id"].(string),
			Timestamp:    time.Now(),
			Body:         body,
		})
		if err != nil {
			return err
		}
		if taken, err := confirm.WaitContext(ctx); err != nil || !taken {
			return fmt.Errorf("not confirmed: %v", err)
		}
		select { // a return comes before its confirm
		case message := <-returned:
			return fmt.Errorf("not routed: %s", message.MessageId)
		default:
		}
	}
	return nil
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}
