"""Labels to services: which ports of which apps this node exposes, and how.

Pure. ``build`` is the door; ``labels`` and ``values`` read what apps say, ``options`` what the
operator allows, ``conflicts`` settles what several want.
"""

from haproxy_bridge.services.build import Builder, build
from haproxy_bridge.services.options import Policy, Rule, ServiceOptions

__all__ = ["Builder", "Policy", "Rule", "ServiceOptions", "build"]
