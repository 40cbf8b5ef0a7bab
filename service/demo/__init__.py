"""`make demo`: a shop's day on a private RabbitMQ and a local HubSpot.

Its modules:

    picture  one order as the local HubSpot holds it
    samples  the shop's day
    demo     the show
"""
