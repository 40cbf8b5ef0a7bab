"""HTTP: paths to operations, ASGI in and out, sockets, and a transport without any.

`app(twin)` is the one ASGI application; everything else carries it.
"""
