"""All faults by name."""

from tests.faults import faults_process
from tests.faults.run import Fault

FAULTS: dict[str, Fault] = {fault.name: fault for fault in [*faults_process.FAULTS]}
