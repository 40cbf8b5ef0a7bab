"""What one HubSpot account holds: object types, definitions, records, links and pipelines.

Nothing here knows of calls or answers. A write here never fails: judging it is the operations' part.
"""
