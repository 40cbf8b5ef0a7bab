"""Settings: where they come from, which there are, and how a fault is reported.

Its modules:

    config            the environment -> Settings
    reading           settings of commands that only read HubSpot
    section           one section, and the names that its fields hold
    rabbitmq          the settings of RabbitMQ
    hubspot           the settings of HubSpot
    sections          the settings of the service itself
    addresses         what is wrong with a URL, and the files of TLS that it names
    misconfiguration  one line per fault, with a guess at a misspelt name
"""
