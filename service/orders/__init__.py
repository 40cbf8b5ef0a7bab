"""One order, or many: sent, looked up, explained, listed, searched.

Its modules:

    draft    what somebody types of one order -> the order event that says it
    sending  one event through the input exchange, its outcome awaited
    explaining  what happened to one order: journal, dead letters and HubSpot, asked at the same time
    holding  what HubSpot holds of one order
    reading  what HubSpot holds: pipelines, definitions, and orders page by page
"""
