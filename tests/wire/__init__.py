"""A broker and a network in virtual time, below aiormq: what it is given are bytes, what it gives are bytes.

loop      an event loop whose connections lead here
transport one end of a connection: chunks that take their time
session   one connection as the broker sees it: handshake, channels, frames
broker    queues, confirms, alarms, and what is done to connections
"""
