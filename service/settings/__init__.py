"""Settings: where they come from, which there are, and how a fault is reported.

Its modules:

    config            the environment -> Settings
    sections          which settings there are
    misconfiguration  one line per fault, with a guess at a misspelt name
"""
