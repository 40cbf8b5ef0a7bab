"""`make demo`: a shop's day on a private RabbitMQ and a local HubSpot.

Its modules:

    samples  the shop's day
    demo     the show
"""
