"""Dead letters, and somebody who comes back to them.

Its modules:

    failure       what went wrong with an event, a field for each header
    dead_letters  the original message, with headers that say what went wrong
    letters       a dead letter, read back
    sieve         which dead letters are meant, and how they fall into groups
    repeated      an order's repeated failure, shown as one
    mends         what the operator changes in an event before it is replayed
    effects       what a mend does to the letters of a plan
    splices       a JSON document with some members changed, and every other byte as it was
    replays       what is sent for a dead letter, in which steps, and when to stop
    entry         one entry of the runbook
    condemnations  what is to be done about each reason for which an event is a dead letter
    runbook       what is to be done about each reason
"""
