"""The law's cases, each seated in a real node and asked through its own API: `make law`.

A case says what is true and on file at one instant, what is asked, and what the law lets go. The
facts are seated where an organization keeps them: registry and consent state arrive signed, over
the wire; records, matters and approvals stand in the node's own stores. What comes back is opened
as the requester opens it, and compared with the case, student by student and element by element.
"""
