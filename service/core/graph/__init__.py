"""The order as a graph: lines, links and stage, written after the order itself and judged part by part.

Its modules:

    link_plans  the links that a slot's events leave, once their targets are known
"""
