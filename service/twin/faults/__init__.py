"""What can go wrong at the twin, by a seeded script of rules.

A rule is a fault and a condition, each a value: `Rule(Hang(seconds=5), When(operation=("upsert",)))`.
`words` reads and writes them as text, `script` chooses which of them strikes a call. What a fault does
to an answer is `damage`'s part; what it does to one record of a batch is the operations' part.
"""

from service.twin.faults.faults import Fault, Rule
from service.twin.faults.when import When
from service.twin.faults.words import parse_fault, read_script

__all__ = ["Fault", "Rule", "When", "parse_fault", "read_script"]
