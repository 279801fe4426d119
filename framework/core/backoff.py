"""Launch back-off: an app whose tasks fail waits longer before each next launch.

Kept per app and configuration, stored with the failure, so it outlives the process.
(behaviour.md, section 2.7: delay = backoffSeconds, then times backoffFactor, at most
maxLaunchDelaySeconds; forgotten after that long without a failure.)
"""

from framework.core.deadlines import Due
from framework.core.turn import Turn
from framework.domain.app import App
from framework.domain.records import replace
from framework.domain.rollout import Delay
from framework.domain.state import Kind


def failed(turn: Turn, app: App) -> None:
    """Lengthen the delay after a failure. Failures that come while a delay already runs were
    launched before it and do not lengthen it again: ten instances that fail together are one
    lesson."""
    delay = turn.world.state.delays.get(app.id)
    most_ms = round(app.max_launch_delay_seconds * 1000)
    delay_ms = min(round(app.backoff_seconds * 1000), most_ms)
    if delay is not None and delay.config == app.last_config_change_at:
        if turn.now_ms < delay.until_ms:
            return
        if turn.now_ms <= delay.until_ms + most_ms:
            delay_ms = min(round(delay.delay_ms * app.backoff_factor), most_ms)
    until_ms = turn.now_ms + delay_ms
    config = app.last_config_change_at
    turn.put(Kind.DELAY, app.id, Delay(app.id, config, delay_ms, until_ms))
    turn.world.deadlines.set(until_ms, Due.DELAY_OVER, app.id)


def forget(turn: Turn, app_id: str) -> None:
    """Launch again at once."""
    if app_id in turn.world.state.delays:
        turn.put(Kind.DELAY, app_id, None)
        turn.dirty[app_id] = None


def remaining_ms(turn: Turn, app: App) -> int:
    """How long until the app may launch; 0: now."""
    delay = turn.world.state.delays.get(app.id)
    if delay is None or delay.config != app.last_config_change_at:
        return 0
    return max(0, delay.until_ms - turn.now_ms)


def due(turn: Turn, app_id: str) -> None:
    """A delay was to end now; one that began anew meanwhile is waited for."""
    app = turn.world.state.apps.get(app_id)
    if app is None:
        return
    rest_ms = remaining_ms(turn, app)
    if rest_ms:
        turn.world.deadlines.set(turn.now_ms + rest_ms, Due.DELAY_OVER, app_id)
    else:
        turn.needs_offers(app_id)


def watch_all(turn: Turn) -> None:
    """At start: every delay that runs. A clock that went back meanwhile lengthens none."""
    for delay in list(turn.world.state.delays.values()):
        until_ms = min(delay.until_ms, turn.now_ms + delay.delay_ms)
        if until_ms != delay.until_ms:
            turn.put(Kind.DELAY, delay.app_id, replace(delay, until_ms=until_ms))
        turn.world.deadlines.set(until_ms, Due.DELAY_OVER, delay.app_id)
