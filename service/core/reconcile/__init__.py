"""What a file of events asks for in the end, against what HubSpot holds.

  events of one order -> WantedOrder -.
                                       '-> Difference -> the event that mends it
  answers of HubSpot  -> HeldParts  --'

Its modules:

    wanted       the events of one order -> what it is to be
    held         answers -> what it is
    differences  both -> what differs, each with its place
    history      since when a value is held, and through what
    repair       differences -> the event that mends them
"""
