"""The sessions on the pages, run as they are written.

A page shows a session in a fence of `console`: lines that begin with `$ ` are typed, the others are what comes.
The comment before the fence says on which stage it is played, `<!-- session: kept -->`, or why nobody plays it,
`<!-- not played: it needs a cluster -->`. Fences of one page on one stage are one session.

`python -m tests.sessions` plays all of them and writes what came into the pages; the tests play them and
compare, with what differs from run to run masked.
"""
