"""An operator's own command between the steps of a shift: what it thinks of the new side.

It is started as its words say, without a shell, is told in its environment what the step is, and
has an end in sight. Any exit code but 0 means that the new side must not keep its share.
"""

import os
import shlex
import subprocess
import tempfile

from haproxy_bridge.shifting import Step

_MAX_SHOWN_BYTES = 500


class BadCommandError(ValueError):
    """Not words as a shell reads them."""


class StepCheck:
    """``names``: of the old and of the new side. BadCommandError."""

    def __init__(self, command: str, timeout_seconds: float, names: tuple[str, str]) -> None:
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise BadCommandError(f"{command}: {error}") from error
        if not self._words:
            raise BadCommandError("there is no word in it")
        self._timeout_seconds = timeout_seconds
        self._names = names

    def __call__(self, step: Step) -> str:
        """Why the step must not stay; "" if it may."""
        shown = self._words[0]
        with tempfile.TemporaryFile() as said:
            try:
                done = subprocess.run(  # noqa: S603 - the operator's own command
                    self._words,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    env=os.environ | self._environment(step),
                    timeout=self._timeout_seconds,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return f"the check {shown} did not end within {self._timeout_seconds:g} s"
            except OSError as error:
                return f"the check {shown} can not be started: {error.strerror or error}"
            if done.returncode == 0:
                return ""
            last = said.seek(0, os.SEEK_END)
            said.seek(max(0, last - _MAX_SHOWN_BYTES))
            words = " ".join(said.read().decode("utf-8", "replace").split())
        end = f", saying {words!r}" if words else ""
        return f"the check {shown} ended with {done.returncode}{end}"

    def _environment(self, step: Step) -> dict[str, str]:
        old, new = self._names
        return {
            "STAYER_STEP": str(step.number),
            "STAYER_OLD": old,
            "STAYER_NEW": new,
            "STAYER_OLD_SHARE": f"{step.old_share:g}",
            "STAYER_NEW_SHARE": f"{step.new_share:g}",
        }
