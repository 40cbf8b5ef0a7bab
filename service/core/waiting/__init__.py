"""Orders wait here, merged, until a batch leaves: Contribution -> Slot -> Batch.

Its modules:

    claims    the single things that an event asks for, and which of them later events overtake
    parts     what is known of the parts of one order's write
    wishes    Contributions of one order -> one wish for its lines and links
    slots    Contributions of one order -> Slot (coalesce), Slot -> Slots (separate)
    bulk      what gives way to the live: it waits beside the lanes
    spare     what HubSpot's quota leaves at a moment
    poison    how many of a refused call are tried next, and the rate of what is refused
    batch     slots that leave together, and why they leave now
    berths    where slots wait: lanes, and the heads that could share a call
    backlog  Slots over time -> Batch
"""
