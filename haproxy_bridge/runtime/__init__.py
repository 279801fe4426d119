"""A running haproxy, through its sockets: members, weights and routes change without a reload.

``socket`` speaks to it, ``state`` reads what it has, ``plan`` (pure) says which commands bring it
to what is wanted, ``apply`` sends them and looks whether they did, ``master`` reloads, ``standing``
tells a new worker what the old one found out; ``maps`` (pure) and ``exchange`` do so with routes.
"""
