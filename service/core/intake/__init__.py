"""The way in: what came before, what may come again, and what must not be taken in yet.

Its modules:

    repeats    the deliveries of an event that is held or was settled already
    custody    what we hold, and since when
    gate       why calls or deliveries stop, and when they go on
    handover   what a former owner of the queue may still be writing, and who waits for it
    load       the bodies that are held, in bytes, and what is not kept
    crashes    which message may be the one that kills its process
    sequences  which events are older than what was applied
    memory     what is remembered for a while, the oldest forgotten first
"""
