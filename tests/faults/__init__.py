"""The fault suite: real processes, a real broker, real sockets, and books that must balance afterwards.

    python -m tests.faults --seed 7 --fault broker-killed --events 2000

One run (`run.py`) publishes a seeded trace (`trace.py`), carries it with real `ordersync run`
processes (`replica.py`) from a real broker (`brokers.py`) to the twin on a socket, all of it through
proxies (`proxy.py`) that cut, delay, withhold and count; breaks something (`faults_*.py`); and then
accounts for every event, every order and every queue (`books.py`), as Jepsen's total-queue does.
"""
