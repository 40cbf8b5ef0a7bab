"""The wall: everything in here is a decision, nothing in here touches the world.

No await, no clock, no randomness, no logging, no client library. What time it is (`now`, monotonic
seconds; `stamp`, an aware UTC datetime), chance (`jitter`) and identity (trace ids, message ids) come
in as arguments. import-linter holds the wall (`make lint`).

The body:

    desk          all that is held, from a delivery's arrival to its settlement; fed and asked by whoever waits
    departure     a batch on its way, and what became of it

Its rooms, in the order of an event's life; each room's first page lists its modules:

    events        Delivery -> Contribution | Malformed
    intake        what came before, what may come again, what must not be taken in yet
    waiting       Contribution -> Slot -> Batch
    hubspot       Batch -> BatchCall; BatchReply | NoReply -> Verdict; quota and pauses
    graph         the order's lines, links and stage: written after it, judged part by part
    settlement    Verdict -> Finish | PutBack -> Settlement
    letters       dead letters: written, read back, found, replayed, explained

Beside that life:

    account       what a person asks of the account: lists, searches, definitions
    reconcile     what a file of events asks for, against what HubSpot holds

And the words that all of them use:

    policies      what the set-up decides
    reasons       why something was refused: the stable codes
    outgoing      a message to publish, as data
    headers       the names of the headers that ordersync writes
    visible       text of somebody else's, as a terminal may show it
    misspelt      a misspelt word -> the one that may have been meant
"""
