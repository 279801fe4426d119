"""Setting a node up: which files there are to be and which commands to run, shown before anything
is done. ``texts`` has the files, ``plan`` compares them with the node and carries them out.
"""
