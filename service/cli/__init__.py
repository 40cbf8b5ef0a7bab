"""The command tree, a file a noun: parsing and printing only, what a command does lives elsewhere.

Data goes to stdout, progress and logs to stderr. What a command needs is imported when it runs:
`--help` and shell completion must not wait for an AMQP client.
"""
