"""The shell: it waits, and carries out what the core decides.

Its modules:

    pipeline  the story of `run`: take in, send out, settle
    gate      channels are closed and opened, HubSpot is asked whether it answers
    line      the calls, within the budget
    ports     what it needs of the world
    wake      waiting for an event or a deadline
    ending    the end of what runs beside the flow
"""
