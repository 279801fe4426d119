"""`stayer haproxy`: the bridge on an edge node, from one look to a daemon.

``node_options`` reads flags and files, ``commands`` runs what they ask for, ``shown`` says what
came of it: nothing at all when nothing changed, since cron mails whatever is said.
"""
