"""The wall: everything in here is a decision, nothing in here touches the world.

No await, no clock, no randomness, no logging, no client library. What time it is (`now`, monotonic
seconds; `stamp`, an aware UTC datetime), chance (`jitter`) and identity (trace ids, message ids) come
in as arguments. import-linter holds the wall (`make lint`).

One arrow of an event's life a file, in the order of the flow:

    deliveries, order_event, malformed    one AMQP message; what it should hold; what it may hold instead
    events    Delivery -> Contribution | Malformed
    slots     Contributions of one order -> Slot (coalesce), Slot -> Slots (separate)
    repeats   the deliveries of an event that is held or was applied already
    custody   what is in our keeping, since when, and when it has to go back
    handover  what a former owner of the queue may still be writing, and who waits for it
    crashes   which message may be the one that kills its process
    sequences which events are older than what was applied
    backlog   Slots over time -> Batch
    calls     Batch -> BatchCall
    reasons   why something was refused: the stable codes
    verdicts  what one answer says of one slot
    answers   the bytes of a reply -> what HubSpot said
    index     what an answer names -> which record of the call
    blame     an error -> who is at fault: the record, the call, the set-up
    replies   BatchCall + (BatchReply | NoReply) -> a Verdict for every slot
    staleness what a replayed event may still write
    flows     the calls that one batch takes
    budget    when the next call may leave
    pauses    when intake must stop, and when to try again
    retries   Slot + Verdict -> Finish | PutBack
    outgoing  a message to publish, as data
    memory    what is remembered for a while, the oldest forgotten first
    dead_letters  the original message, with headers that say what went wrong
    outcomes  Finish -> Settlement: outcomes and dead letters to publish, deliveries to ack

And of what failed, when somebody comes back to it:

    letters   a dead letter, read back
    sieve     which dead letters are meant, and how they fall into groups
    replays   what is sent for a dead letter, in which steps, and when to stop
    runbook   what is to be done about each reason
"""
