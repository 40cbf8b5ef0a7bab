"""ordersync: order events from RabbitMQ into HubSpot's CRM, a receipt for every event.

One wall. `core` decides: plain values in, plain values out. Every other room touches the world and
decides nothing; import-linter holds the floors (pyproject.toml).

  Delivery -> Contribution | Malformed -> Slot -> Batch -> BatchCall -> BatchReply | NoReply
           -> Verdict -> Finish | PutBack -> Settlement -> confirm -> ack

Each room's first page lists its modules. From the wall outwards:

    core            every decision, in the order of an event's life
    settings        the environment -> Settings
    rabbitmq        RabbitMQ: consume, ack, publish, declare
    hubspot         HubSpot: one request over HTTP, the token
    watch           logs, metrics, probes, traces
    shell           the story of `run`: take in, send out, settle
    contract        schemas, generated pages, files of events
    dead_letters    look at dead letters, replay, export and park them
    reconcile       a file of events against what HubSpot holds
    orders          one order, or many: sent, looked up, listed, searched
    app             the composition root: wiring, signals, the order of the end
    doctor          what `ordersync doctor` examines
    setup           from an account and a token to settings that work
    demo            `make demo`
    cli, __main__   arguments -> one of the stories above; exit codes
    clock           the only reading of the wall clock
    broker          a RabbitMQ for people and tests who have none
    twin            a local HubSpot; it imports nothing of the rest
"""
