"""Working with dead letters: look, replay, export, park. One looker at a time, and no look costs a letter.

`looker` holds what it reads unacknowledged and gives it back in its place; `sender` publishes with
confirm and mandatory before anything is taken off the queue; `receipts` hears what became of replays;
`staging` is where the letters of a replay wait. `planning`, `approving`, `replaying`, `closing`, `moving` and
`describing` are the stories, `rows` keeps what was seen for its reader, and `office` is where they are told.
What they decide, they ask of the core.
"""
