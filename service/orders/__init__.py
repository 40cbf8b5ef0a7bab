"""One order, or many: sent, looked up, explained, listed, searched.

Its modules:

    draft    what somebody types of one order -> the order event that says it
    sending  one event through the input exchange, its outcome awaited
    reading  what HubSpot holds: pipelines, definitions, and orders page by page
"""
