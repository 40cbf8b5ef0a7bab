"""The room for HubSpot: the only place that knows httpx.

Its modules:

    client  BatchCall -> BatchReply | NoReply over HTTP
    token   the bearer token, static or refreshed
"""
