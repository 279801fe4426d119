"""The store in ZooKeeper: a log of appends, and checkpoints so that the log can be short.

``ZooKeeperStore`` (store.py) is what others use. Below it: layout.py and segments.py (what lies
where, in which form), requests.py (reads and fenced writes that outlive lost connections), log.py,
checkpoints.py, loading.py and following.py. docs/decisions/0011-zookeeper-store.md says why.
"""

from framework.store.zookeeper.store import ZooKeeperStore

__all__ = ["ZooKeeperStore"]
