"""The twin: a local HubSpot that answers as the real one does, its limits and faults included.

It imports nothing of the rest of `service`, so that another team can take the folder away, and is
imported by the command line and the demo alone.

    twin = Twin(TwinOptions(unique=("shop_order_id",), calls=0))
    app(twin)             # ASGI: uvicorn, or httpx.ASGITransport under virtual time
    Transport(twin)       # for httpx.AsyncClient, with a server's manners
    await serve(options, "127.0.0.1", 0, ready=print)

Floors, from top to bottom: `http` HTTP in and out · `twin` the life of a call · `damage` what a fault
does to it · `gates` who gets in · `journal`, `store` what is remembered · `operations` what a call
does · `account` what the portal holds · `options` what can be chosen · `faults` what can go wrong.
"""

from service.twin.faults import Fault, Rule, When, parse_fault, read_script
from service.twin.http.app import ConnectionCutError, app
from service.twin.http.sockets import serve, serving
from service.twin.http.transport import Transport
from service.twin.options import TwinOptions
from service.twin.twin import Twin

__all__ = [
    "ConnectionCutError",
    "Fault",
    "Rule",
    "Transport",
    "Twin",
    "TwinOptions",
    "When",
    "app",
    "parse_fault",
    "read_script",
    "serve",
    "serving",
]
