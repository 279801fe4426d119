"""How a deployment on its way is shown: as lines on change, or as a view drawn in place.

Only texts and tables are made here, from what `following` has seen.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.answers import AppProgress, Deployment
from cli.following import Moment, changing
from cli.output import Column, make_table, visible

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

PROGRESS_COLUMNS = (
    Column("APP"),
    Column("INSTANCES"),
    Column("NEW", right=True),
    Column("OLD", right=True),
    Column("STOPPING", right=True),
    Column("AWAITS"),
)
_DIGITS = re.compile(r"\d+")
_BAR_CELLS = 24
_MAX_ROWS = 20
_GLYPHS = ("█", "▓", "░", "·")
_PLAIN_GLYPHS = ("#", "+", "o", ".")
_STYLES = ("green", "yellow", "blue", "red")
_MEANINGS = ("new, serving", "new, starting", "old", "stopping")


def changes(before: Moment, now: Moment, *, apps: bool = True) -> list[str]:
    """What is new since the moment before, a line each; ``apps`` leaves no app's progress out."""
    lines = [now.note] if now.note and now.note != before.note else []
    if now.deployment is None:
        return lines
    was, is_ = before.deployment, now.deployment
    if was is None or describe_step(was) != describe_step(is_):
        lines.append(f"Deployment {is_.id}: {describe_step(is_)}")
    known = was.warnings if was else ()
    lines += [f"Warning: {text}" for text in is_.warnings if text not in known]
    if apps:
        old = _app_lines(before)
        lines += [line for what, line in _app_lines(now).items() if what not in old]
    if was is not None and was.paused and not is_.paused:
        lines.append("It goes on.")
    if is_.paused and not (was and was.paused and _same_pause(was, is_)):
        lines.append(describe_pause(is_))
    return lines


def _same_pause(was: Deployment, is_: Deployment) -> bool:
    return (was.canary, was.canary_step) == (is_.canary, is_.canary_step)


def _app_lines(moment: Moment) -> dict[tuple[AppProgress, str], str]:
    """A line for each app that changes now, by what it tells. Another number in the reason for
    waiting (a time, a count of agents) is nothing new."""
    deployment = moment.deployment
    lines = {}
    for app in changing(deployment) if deployment else ():
        serving = f"{app.id}: {app.new_serving} of {app.wanted} serve"
        old = f", {app.old_serving} old ones serve" if app.old_total else ""
        waits = awaited(app, moment)
        what = (app, _DIGITS.sub("", waits))
        lines[what] = serving + old + (f" ({waits})" if waits else "")
    return lines


def awaited(app: AppProgress, moment: Moment) -> str:
    """What an app's progress hangs on, in a few words; empty when it is done."""
    deployment = moment.deployment
    if deployment is None or app not in changing(deployment):
        return _its_turn(app, deployment)
    starting = app.new_total - app.new_serving - app.awaiting_edges
    missing = max(0, app.wanted - app.new_total)
    parts = [
        f"{app.leaving} stopping" if app.leaving else "",
        f"{starting} starting" if starting > 0 else "",
        f"{app.awaiting_edges} until edges use them" if app.awaiting_edges else "",
    ]
    if deployment.paused:
        parts.append(f"{app.old_total} old stay for now" if app.old_total else "")
        return ", ".join(part for part in parts if part)
    if app.id in moment.told:
        parts.append(f"{missing} waiting: {moment.told[app.id]}")
    elif missing:
        parts.append(f"{missing} to start")
    if app.old_total:
        parts.append(f"{app.old_total} old to replace")
    return ", ".join(part for part in parts if part)


def _its_turn(app: AppProgress, deployment: Deployment | None) -> str:
    """In which later step an app changes."""
    if deployment is None:
        return ""
    for number, step in enumerate(deployment.steps, start=1):
        later = number > deployment.current_step
        if later and any(action.app == app.id for action in step.actions):
            return f"step {number}"
    return ""


def describe_step(deployment: Deployment) -> str:
    """Where a deployment stands, in a few words."""
    actions = ", ".join(f"{a.action} {a.app or a.pod}" for a in deployment.current_actions)
    step = f"step {deployment.current_step} of {deployment.total_steps}"
    return f"{step}, {actions}" if actions else step


def describe_pause(deployment: Deployment) -> str:
    """What a paused deployment waits for."""
    if deployment.canary:
        stands = "The canaries serve, and a person decides."
        if deployment.next_step_at:
            stands = f"The canaries serve: {_in_steps(deployment)}."
        return (
            f"{stands}\n"
            f"  Go on:         stayer deployment promote {deployment.id}\n"
            f"  Take it back:  stayer deployment revert {deployment.id}"
        )
    return f"Paused.\n  Go on:  stayer deployment resume {deployment.id}"


def _in_steps(deployment: Deployment) -> str:
    step, steps = deployment.canary_step, deployment.canary_steps
    then = "the next" if step < steps else "the rest follows"
    share = f"{deployment.share or 0:g} % of the traffic"
    return f"step {step} of {steps}, {share}; {then} at {deployment.next_step_at}"


def progress_rows(moment: Moment, glyphs: Sequence[str] = _GLYPHS) -> list[Sequence[object]]:
    """A row for each app, those that change now first, bounded in number."""
    deployment = moment.deployment
    if deployment is None:
        return []
    now = changing(deployment)
    ids = {app.id for app in now}
    rest = [app for app in deployment.apps if app.id not in ids]
    return [
        (
            app.id,
            bar(app, glyphs),
            f"{app.new_serving}/{app.wanted}",
            app.old_serving if app.old_serving == app.old_total else _part(app),
            app.leaving,
            awaited(app, moment) or "-",
        )
        for app in [*now, *rest][:_MAX_ROWS]
    ]


def _part(app: AppProgress) -> str:
    return f"{app.old_serving} of {app.old_total}"


def bar(app: AppProgress, glyphs: Sequence[str] = _GLYPHS) -> "Text":
    """Its instances as a bar: one cell each, or in proportion when there are too many."""
    from rich.text import Text

    starting = max(0, app.new_total - app.new_serving)
    counts = (app.new_serving, starting, app.old_total, app.leaving)
    total = max(sum(counts), app.wanted, 1)
    cells = min(total, _BAR_CELLS)
    drawn_bar, reached = Text(), 0
    for index, count in enumerate(counts):
        begin = round(reached * cells / total)
        reached += count
        end = round(reached * cells / total)
        drawn_bar.append(glyphs[index] * (end - begin), style=_STYLES[index])
    return drawn_bar


def drawn(moment: Moment, *, ascii_only: bool = False) -> "RenderableType":
    """The live view of a deployment."""
    from rich.console import Group
    from rich.text import Text

    deployment = moment.deployment
    if deployment is None:
        return Text("")
    glyphs = _PLAIN_GLYPHS if ascii_only else _GLYPHS
    rows = progress_rows(moment, glyphs)
    parts: list[RenderableType] = [
        Text(visible(f"Deployment {deployment.id}: {describe_step(deployment)}"), style="bold")
    ]
    if rows:
        parts.append(make_table(PROGRESS_COLUMNS, rows))
        if len(deployment.apps) > len(rows):
            parts.append(Text(f"and {len(deployment.apps) - len(rows)} more apps"))
        legend = zip(glyphs, _MEANINGS, strict=True)
        parts.append(Text("  ".join(f"{glyph} {text}" for glyph, text in legend), style="dim"))
    if deployment.deadline_at and not deployment.paused:
        text = f"Without progress it is taken back at {deployment.deadline_at}"
        parts.append(Text(visible(text), style="dim"))
    if deployment.paused:
        parts.append(Text(visible(describe_pause(deployment)), style="yellow"))
    parts += [Text(visible(f"Warning: {text}"), style="yellow") for text in deployment.warnings]
    if moment.note:
        parts.append(Text(visible(moment.note), style="red"))
    return Group(*parts)
