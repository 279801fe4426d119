"""A Mesos cluster for one machine: the genuine Apache Mesos, or a simulated one.

It imports nothing else of this project, so any Mesos framework can be developed and tested on it.
"""
