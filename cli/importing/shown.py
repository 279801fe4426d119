"""The plan of an import as tables for people and as JSON for machines."""

from collections.abc import Sequence
from typing import Any

from cli.importing.comparison import Action, Plan, Planned
from cli.output import Column, print_table, say, say_aside

_COLUMNS = (Column("APP"), Column("WHAT"), Column("INSTANCES"), Column("WHY"))
_GROUP_COLUMNS = (Column("GROUP"), Column("SETTINGS"))
_MAX_UNCHANGED = 20


def show_plan(plan: Plan) -> None:
    """Print what would be done, then what to look at."""
    unchanged = plan.of(Action.UNCHANGED)
    shown = [
        one
        for one in plan.apps
        if one.action is not Action.UNCHANGED or len(unchanged) <= _MAX_UNCHANGED
    ]
    if shown:
        print_table(_COLUMNS, [_row(one) for one in shown])
    if plan.groups:
        say("")
        rows = [(path, _settings(change)) for path, change in plan.groups.items()]
        print_table(_GROUP_COLUMNS, rows)
    say(("\n" if shown or plan.groups else "") + _summary(plan))
    for warning in plan.warnings:
        say_aside(f"Warning: {warning}")


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """The plan for machines."""
    return {
        "apps": [_app(one) for one in plan.apps],
        "groups": [{"id": path, **change} for path, change in plan.groups.items()],
        "warnings": list(plan.warnings),
    }


def _app(planned: Planned) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": planned.id, "action": planned.action.value}
    if planned.action is Action.IMPOSSIBLE:
        shown["faults"] = [{"path": path, "error": error} for path, error in planned.faults]
    else:
        shown |= {"instances": planned.after, "instancesBefore": planned.before}
    if planned.changed:
        shown["changed"] = list(planned.changed)
    if planned.unknown:
        shown["ignoredFields"] = list(planned.unknown)
    return shown


def _row(planned: Planned) -> Sequence[object]:
    return (planned.id, planned.action.value, _instances(planned), "\n".join(_why(planned)))


def _instances(planned: Planned) -> str:
    if planned.action is Action.IMPOSSIBLE:
        return "-"
    if planned.before is not None and planned.before != planned.after:
        return f"{planned.before} -> {planned.after}"
    if planned.after != planned.wanted:
        return f"{planned.after} of {planned.wanted}"
    return str(planned.after)


def _why(planned: Planned) -> list[str]:
    lines = [f"{path}: {error}" for path, error in planned.faults]
    if planned.changed:
        lines.append(", ".join(planned.changed))
    if planned.unknown:
        lines.append(f"has no effect: {', '.join(planned.unknown)}")
    return lines


def _settings(change: dict[str, Any]) -> str:
    words = []
    if "dependencies" in change:
        words.append("depends on " + " ".join(change["dependencies"]))
    if change.get("enforceRole"):
        words.append("its apps have its name as role")
    return "; ".join(words) or "empty"


def _summary(plan: Plan) -> str:
    counts = {action: len(plan.of(action)) for action in Action}
    words = (
        (Action.CREATE, "to create"),
        (Action.CHANGE, "to change"),
        (Action.UNCHANGED, "unchanged"),
        (Action.IMPOSSIBLE, "that can not be taken over"),
    )
    told = [f"{counts[action]} {text}" for action, text in words if counts[action]]
    return f"Apps: {', '.join(told)}." if told else "There are no apps to take over."
