"""What the adapters on ZooKeeper share: the URL, the options, and one session.

The store, the election and the detection of the Mesos master stand on it.
"""
