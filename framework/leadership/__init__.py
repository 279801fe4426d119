"""Adapter: who decides. zookeeper.py elects one of several processes; alone.py is for one."""
