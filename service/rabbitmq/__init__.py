"""The room for RabbitMQ: the only place that speaks AMQP.

Its modules:

    connection the only place that connects, and the errors by which a connection is lost
    errors     the client's errors, by the names that the house knows
    wire       one connection's bytes: ours written at once, the broker's offered before aiormq reads them
    frames     AMQP's frames, as bytes
    consumer   RabbitMQ -> Delivery, and back: ack
    epoch      one channel's life: what it delivered, and what of it was settled
    inbox      the consuming connection's frames -> deliveries
    lease      no call without the broker's word that the queue is still ours
    publisher  outcomes and dead letters -> RabbitMQ, confirmed
    journal    groups of outcomes -> the journal; nobody waits for it
    journal_reader  the journal, read without taking anything away
    confirms   the publishing connection's frames -> the fate of each message
    confirmed  messages -> RabbitMQ, confirmed, for who has time: files, letters
    announcer  what people are told of at once -> RabbitMQ, beside everything else
    overhearing  outcomes as they are published, heard beside their readers
    topology   exchanges, queues and bindings as data
"""
