"""The shell: it waits, and carries out what the core decides.

Its modules:

    pipeline      the story of `run`: take in, send out, settle
    line          the calls, within the budget
    intermission  intake closed; a probe finds out when to open it
    giveback      deliveries that are held too long go back before the broker fetches them
    caution       deliveries that may have killed their process are taken in one at a time
    wake          waiting for an event or a deadline
"""
