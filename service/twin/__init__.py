"""The twin: a local HubSpot that answers as the real one does, its limits and faults included.

It imports nothing of the rest of `service`, so that another team can take the folder away, and is
imported by the command line alone.

    twin = Twin(TwinOptions(unique=("shop_order_id",), calls=0))
    twin.app              # ASGI: uvicorn, or httpx.ASGITransport under virtual time
    await serve(options, "127.0.0.1", 0, ready=print)

Rooms: `options` what it can be told · `server` HTTP in and out · `twin` the life of a call ·
`access`, `limits`, `faults` who gets in and what goes wrong · `batches`, `singles` the operations,
`plans` what a write would do · `portal`, `records`, `definitions`, `values` the state · `journal`,
`admin` looking in.
"""

from service.twin.faults import FaultRule
from service.twin.options import TwinOptions
from service.twin.scripts import parse_fault, read_script
from service.twin.server import ConnectionCutError
from service.twin.sockets import serve, serving
from service.twin.twin import Twin

__all__ = [
    "ConnectionCutError",
    "FaultRule",
    "Twin",
    "TwinOptions",
    "parse_fault",
    "read_script",
    "serve",
    "serving",
]
