"""A file of events against what HubSpot holds, in flat memory, at a pace that leaves live traffic its quota.

  FILE -> shelf (SQLite, sorted by order) -> 500 orders -> fold -> read HubSpot -> differences -> mends
                ^                                                                     |
                '---------------- what was found, how far it is -----------------------'

Its modules:

    shelf    the file's events by order, what was found so far, how far it is
    reading  what HubSpot holds of some orders
    story    order by order: read, compare, note
"""
