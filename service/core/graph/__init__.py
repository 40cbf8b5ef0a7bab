"""The order as a graph: lines, links and stage, written after the order itself and judged part by part.

Its modules, in the order of the flow:

    flow        which calls a batch takes
    order_flow  the flow of a batch of complete orders
    work        one order's graph under way
    steps       calls that leave together; a refused call is taken apart until the answer is alone
    judging     answers to the calls of a graph
    directory   what was learnt of the account a short while ago
    stages      before the orders: the ids of the stages that events name
    pipelines   an account's pipelines, and the ids that words stand for
    orders      the first step: the orders themselves
    inline      links that a create brings with it
    targets     the second step: the records that links go to
    replayed    a replay undoes nothing that is newer
    lines       the third step: lines, written by a key of their own, then linked
    linking     beside the lines: links to other records
    link_plans  the links that a slot's events leave, once their targets are known
    link_types  HubSpot's plain link types, and the account's labels
    reading     the links that orders have, page by page
    leftovers   the last step: lines of ours that an order is not to have any more
"""
