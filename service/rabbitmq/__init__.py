"""The room for RabbitMQ: the only place that speaks AMQP.

Its modules:

    consumer   RabbitMQ -> Delivery, and back: ack
    inbox      bytes of the consuming connection -> deliveries
    lease      no call without the broker's word that the queue is still ours
    publisher  outcomes and dead letters -> RabbitMQ, confirmed
    frames     AMQP's frames, as bytes
    topology   exchanges, queues and bindings as data
"""
