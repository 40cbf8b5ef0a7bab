"""The contract with producers and readers, for people and machines.

Its modules:

    schemas      JSON Schemas, out of the models
    account      the account's own schema, asked for
    reference    generated pages
    filed        a message as it stands in a file, and its faults
    cells        how a cell of a spreadsheet is written
    columns      which column of a spreadsheet is what
    spreadsheet  CSV -> order events
    event_files  files of events, read
    checking     all of a file checked before one event is sent
    publish      `ordersync publish`: events -> RabbitMQ, confirmed
"""
