// Read outcomes. AMQP_URL in the environment, QUEUE (orders.results); amqp091-go 1.5 or later:
//
//	go mod init example && go get github.com/rabbitmq/amqp091-go && go run read.go
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"

	amqp "github.com/rabbitmq/amqp091-go"
)

const remembered = 10_000 // outcomes: a crash repeats the latest

type outcome struct {
	ID            string  `json:"id"`
	Subject       *string `json:"subject"`
	CorrelationID *string `json:"correlationid"`
	Data          struct {
		Status string `json:"status"`
		Reason *struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"reason"`
	} `json:"data"`
}

// Yours: a record of the order, a task for somebody, a message to the shop.
func handle(o outcome) {
	why := "-"
	if o.Data.Reason != nil {
		why = o.Data.Reason.Code + ": " + o.Data.Reason.Message
	}
	fmt.Println(o.Data.Status, orNull(o.Subject), orNull(o.CorrelationID), why)
}

func orNull(text *string) string {
	if text == nil {
		return "null"
	}
	return *text
}

func run() error {
	connection, err := amqp.Dial(os.Getenv("AMQP_URL"))
	if err != nil {
		return err
	}
	defer connection.Close()
	channel, err := connection.Channel()
	if err != nil {
		return err
	}
	if err := channel.Qos(100, 0, false); err != nil {
		return err
	}
	queue := os.Getenv("QUEUE")
	if queue == "" {
		queue = "orders.results"
	}
	const autoAck, exclusive, noLocal, noWait = false, false, false, false
	deliveries, err := channel.Consume(queue, "", autoAck, exclusive, noLocal, noWait, nil)
	if err != nil {
		return err
	}
	seen, order := map[string]bool{}, []string{}
	for delivery := range deliveries {
		var read outcome
		if err := json.Unmarshal(delivery.Body, &read); err != nil {
			return err
		}
		if !seen[read.ID] { // the same id: the same outcome once more
			handle(read)
			seen[read.ID], order = true, append(order, read.ID)
			if len(order) > remembered {
				delete(seen, order[0])
				order = order[1:]
			}
		}
		if err := delivery.Ack(false); err != nil { // once it is handled: before that, it comes again
			return err
		}
	}
	return errors.New("the connection ended") // whoever started this starts it again
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}
