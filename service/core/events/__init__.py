"""A delivery is read: Delivery -> Contribution | Malformed.

Its modules:

    deliveries   one AMQP message, as a plain value
    order_event  what it should hold
    malformed    what it may hold instead, and every fault's path
    events       Delivery -> Contribution | Malformed
"""
