"""What an operation is: a portal and a call in, an answer (or a `Refusal`) out; never awaited."""

from collections.abc import Callable

from service.twin.answers import Answer
from service.twin.calls import Call
from service.twin.portal import Portal

Operation = Callable[[Portal, Call], Answer]
