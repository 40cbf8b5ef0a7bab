"""All faults by name."""

from tests.faults import (
    faults_broker,
    faults_graph,
    faults_handover,
    faults_hubspot,
    faults_network,
    faults_orders,
    faults_process,
)
from tests.faults.run import Fault

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in [
        *faults_process.FAULTS,
        *faults_handover.FAULTS,
        *faults_broker.FAULTS,
        *faults_network.FAULTS,
        *faults_hubspot.FAULTS,
        *faults_graph.FAULTS,
        *faults_orders.FAULTS,
    ]
}
