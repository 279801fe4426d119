"""Launch back-off: an app whose tasks fail waits longer before each next launch.

Kept per app and configuration, stored with the failure, so it outlives the process.
(behaviour.md, section 2.7: delay = backoffSeconds, then times backoffFactor, at most
maxLaunchDelaySeconds; forgotten after that long without a failure.)
"""

from framework.core.deadlines import Due
from framework.core.turn import Turn
from framework.core.world import old_key
from framework.domain.app import App
from framework.domain.records import replace
from framework.domain.rollout import Delay
from framework.domain.state import Kind


def failed(turn: Turn, app: App) -> None:
    """Lengthen the delay after a failure. Failures that come while a delay already runs were
    launched before it and do not lengthen it again: ten instances that fail together are one
    lesson."""
    key = _key(turn, app)
    delay = turn.world.state.delays.get(key)
    most_ms = round(app.max_launch_delay_seconds * 1000)
    delay_ms = min(round(app.backoff_seconds * 1000), most_ms)
    if delay is not None and delay.config == app.config:
        if turn.now_ms < delay.until_ms:
            return
        if turn.now_ms <= delay.until_ms + most_ms:
            delay_ms = min(round(delay.delay_ms * app.backoff_factor), most_ms)
    until_ms = turn.now_ms + delay_ms
    turn.put(Kind.DELAY, key, Delay(app.id, app.config, delay_ms, until_ms))
    turn.world.deadlines.set(until_ms, Due.DELAY_OVER, key)


def _key(turn: Turn, app: App) -> str:
    """An app's delay goes by its id; that of the configuration it is leaving by the key of the
    demand for that."""
    present = turn.world.effective(app.id)
    return app.id if present is None or present.config == app.config else old_key(app.id)


def forget(turn: Turn, app_id: str) -> None:
    """Launch again at once."""
    for key in (app_id, old_key(app_id)):
        if key in turn.world.state.delays:
            turn.put(Kind.DELAY, key, None)
            turn.dirty[app_id] = None


def remaining_ms(turn: Turn, app: App) -> int:
    """How long until the app may launch; 0: now."""
    delays = turn.world.state.delays
    if not delays:
        return 0  # nearly always, and asked of all that waits in each step
    # Under either key: the definition may have been in force when it failed, and be left by now.
    known = [delays.get(key) for key in (app.id, old_key(app.id))]
    until_ms = max((one.until_ms for one in known if one and one.config == app.config), default=0)
    return max(0, until_ms - turn.now_ms)


def due(turn: Turn, key: str) -> None:
    """A delay was to end now; one that began anew meanwhile is waited for."""
    delay = turn.world.state.delays.get(key)
    if delay is None:
        return
    if delay.until_ms > turn.now_ms:
        turn.world.deadlines.set(delay.until_ms, Due.DELAY_OVER, key)
    else:
        turn.needs_offers(delay.app_id)


def watch_all(turn: Turn) -> None:
    """At start: every delay that runs. A clock that went back meanwhile lengthens none."""
    for key, delay in list(turn.world.state.delays.items()):
        until_ms = min(delay.until_ms, turn.now_ms + delay.delay_ms)
        if until_ms != delay.until_ms:
            turn.put(Kind.DELAY, key, replace(delay, until_ms=until_ms))
        turn.world.deadlines.set(until_ms, Due.DELAY_OVER, key)
