"""Services to the bytes of haproxy.cfg and its maps. Pure: equal services give equal bytes."""

from haproxy_bridge.render.config import Renderer, render
from haproxy_bridge.render.options import RenderOptions

__all__ = ["RenderOptions", "Renderer", "render"]
