"""What an operation is: a portal and a call in, an answer (or a `Refusal`) out; never awaited."""

from collections.abc import Callable

from service.twin.account.portal import Portal
from service.twin.operations.answers import Answer
from service.twin.operations.call import Call

Operation = Callable[[Portal, Call], Answer]
