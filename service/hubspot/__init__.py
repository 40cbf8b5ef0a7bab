"""The room for HubSpot: the only place that knows httpx.

Its modules:

    addresses  where each request goes
    http       one request, its answer read up to a limit
    client     BatchCall -> BatchReply | NoReply over HTTP
    enquirer   questions of the reading commands, paced
    token      the bearer token, static or refreshed
"""
