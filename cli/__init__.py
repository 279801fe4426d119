"""The command line, and the composition root: here parts meet that do not know of each other.

`stayer serve` and `stayer local` put a scheduler together; `stayer mesos` runs a Mesos; everything
else is a client of the REST API.
"""
