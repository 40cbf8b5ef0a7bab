"""The end of an event: Verdict -> Finish | PutBack -> Settlement.

Its modules:

    retries       Slot + Verdict -> Finish | PutBack; the one place that decides on retries
    outcome       the outcome as it is published: the documents of its schema
    receipts  the parts of an outcome: what became of each line and link
    envelopes  OutcomeData -> the message: its id, its attributes, where it goes
    outcomes  Finish -> Settlement: outcomes and dead letters to publish, deliveries to ack
    announcements  what people are told of at once
    journal   Settlements -> what is remembered of them, and back: the rows of one order
    closing   Settlements that end together: publish, ack, go on
"""
