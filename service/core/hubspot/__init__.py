"""HubSpot's words, and nowhere else in the core: Batch -> BatchCall, reply -> Verdict.

Its modules:

    associations  links between records: calls and the reading of their answers
    calls      Batch -> BatchCall
    answers    the bytes of a reply -> what HubSpot said
    requests   every request that HubSpot is sent, as data
    verdicts   what one answer says of one slot
    accusations  which records of a refused call its answer accuses, and of what
    blame      an error -> who is at fault: the record, the call, the set-up
    refusals   what an answer says of a call as a whole
    replies    BatchCall + (BatchReply | NoReply) -> a Verdict for every slot
    lookups    the answer to a read -> what HubSpot holds under every key
    staleness  what a replayed event may still write
    flows      the calls that one batch takes
    throttles  a 429: which limit, until when, who may be using it
    limits     what headers say of HubSpot's limits
    places     our own calls in HubSpot's window
    arrivals   how soon HubSpot counts a call
    neighbours  others that use the limit and keep peace, as our own processes do
    strangers  others that do not
    budget     when the next call may leave: the theory
    day        the calls of the day: how many are left for us, and until when
    thrift     when a batch that is not full may leave before its linger is over
    concurrency  how many calls may be in flight
    pauses     when calls must stop, and when to try again
    suspicion  whether a fault is everybody's or one order's
    probe      requests that write nothing, to find out whether HubSpot takes such requests
"""
