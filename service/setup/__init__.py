"""From an account and a token to settings that work: what is there is found, what is missing is made when told to.

Law: without `apply` nothing is changed. What is made is a property of its own, never a change of one that is there,
and what it became is read back from the account before a setting names it.

Its modules:

    account  the keys of orders and lines: found, or made
    paper    settings, ready to paste
"""
