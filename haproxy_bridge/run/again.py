"""A reload without another configuration: for what haproxy takes only as it loads."""

from pathlib import Path

from haproxy_bridge.run.first_config import is_good
from haproxy_bridge.run.options import NodeOptions
from haproxy_bridge.run.state_file import State
from haproxy_bridge.run.turn import Load
from haproxy_bridge.runtime import apply, standing
from haproxy_bridge.runtime.master import ReloadError
from haproxy_bridge.swap.check import CheckError


def loaded(options: NodeOptions, state: State, load_it: Load) -> str:
    """Have haproxy load its file as it lies there, if it would take it; why it did not, "" if it
    did."""
    if not options.load.loads:
        return "somebody else is to reload haproxy"
    try:
        if options.validate and not is_good(options.haproxy, Path(options.config)):
            return "haproxy refuses to load its configuration with it"
        admin_socket = Path(options.render.socket)
        before = standing.seen(admin_socket)
        load_it(options.load)
    except (CheckError, ReloadError) as error:
        return str(error)
    if state.applied is not None:
        wanted = state.applied.rendered()
        apply.loaded(admin_socket, wanted)
        standing.passed_on(admin_socket, before, wanted)
    return ""
