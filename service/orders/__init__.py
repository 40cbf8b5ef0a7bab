"""One order, or some: asked for, looked up, explained.

Its modules:

    draft    what somebody types of one order -> the order event that says it
    sending  one event through the input exchange, its outcome awaited
"""
