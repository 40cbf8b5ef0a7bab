"""ordersync: order events from RabbitMQ into HubSpot's CRM, a receipt for every event.

Two floors. `core` decides: plain values in, plain values out. Everything else touches the world and
decides nothing; import-linter holds the floors (pyproject.toml).

    Delivery -> Contribution | Malformed -> Slot -> Batch -> BatchCall -> BatchReply | NoReply
             -> Verdict -> Finish | PutBack -> Settlement -> confirm -> ack

    cli, __main__   arguments -> one of the stories below; exit codes
    app             builds and wires everything; signals, the order of the end
    pipeline        the story of `run`: take in, send out, settle
    consumer        RabbitMQ -> Delivery, ack (inbox: bytes -> deliveries; lease, caution: may we still?)
    line            the calls, within the budget (hubspot: HTTP; token: who we are)
    intermission    intake closed, a probe finds out when to open it
    giveback        what is kept too long goes back before the broker fetches it
    publisher       outcomes and dead letters -> RabbitMQ, confirmed (frames: AMQP's, as bytes)
    tally, metrics, logs, traces, probes     what is said of what is done
    config, sections, misconfiguration       the environment -> Settings
    topology, publish, event_files, schemas, reference, doctor, dead_letters, demo, samples    the other commands
    twin            a local HubSpot; imports nothing of the rest, another team could take it away
    broker          a RabbitMQ for people and tests who have none
"""
