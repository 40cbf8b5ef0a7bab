"""A delivery is read: Delivery -> Contribution | Malformed.

Its modules:

    deliveries      one AMQP message, as a plain value
    order_event     what it should hold
    order_graph     the shape of lines, links and stage
    contradictions  parts of one event that contradict each other
    malformed       what it may hold instead, and every fault's path
    scalars         a value as HubSpot takes it
    graph           lines, links and stage as the core's values
    events          Delivery -> Contribution | Malformed
"""
