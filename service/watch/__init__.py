"""Everything that can be seen from outside.

Its modules:

    logs     one JSON line per event of the log
    metrics  Prometheus series
    pauses   the pause that lasts, as metrics
    tally    metrics and log lines of a settlement
    probes   /livez, /readyz, /metrics
    traces   OpenTelemetry spans, where the extra is installed
    version  which version this is
"""
