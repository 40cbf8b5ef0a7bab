"""The load test: real traffic at full speed for as long as it is told to, and what of the service grew meanwhile.

    LOAD_SECONDS=600 python -m tests.load        (`make test-load`)

A private broker, the twin and `ordersync run` are processes of their own (`__main__.py`). The traffic is
the real trace again and again, every round with keys and ids of its own (`traffic.py`), with a fixed number
of events between publish and outcome (`flow.py`), over connections that cost the generator next to nothing
(`wire.py`). The service is looked at from outside, but for its number of asyncio tasks, which it tells
when it is sent a signal (`counted.py`, `samples.py`).
"""
