"""The contract with producers and readers, for people and machines.

Its modules:

    schemas      JSON Schemas, out of the models
    reference    generated pages
    event_files  files of events, read and checked
    publish      `ordersync publish`: events -> RabbitMQ, confirmed
"""
