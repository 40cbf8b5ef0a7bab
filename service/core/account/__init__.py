"""What a person asks of the account, and how its answers read: lists, searches, definitions. Nothing in here writes.

Its modules:

    definitions  the properties of an object type, as the account defines them
    questions    every request of the reading commands, as data
    keys         which property identifies orders, and which their lines
    filters      filters as one writes them -> HubSpot's filter groups
    preflight    what HubSpot would refuse of an event
    event_schema  the account's own JSON Schema
    search       a search, page by page, beyond the end of HubSpot's own paging
    orders       a record of an answer -> a row
    held         one order as HubSpot holds it: values and all that they were, lines, links, stage
    stages       the pipelines and stages of orders, as rows
    patience     what an answer is worth: a document, another try, or an end
"""
