"""What a training says: JSON lines for machines, sentences for people."""

import datetime
import json
import sys
from typing import Any, TextIO


class Events:
    """Tells what happens: JSON lines, or sentences where a person looks at a terminal."""

    def __init__(self, *, out: TextIO | None = None, machine: bool | None = None):
        self._out = out or sys.stdout
        self._machine = not self._out.isatty() if machine is None else machine

    def tell(self, event: str, sentence: str, **facts: Any) -> None:
        """Tells one event.

        Args:
            event: its kind, such as "epoch".
            sentence: for a person; part of the JSON line too.
            facts: for a machine.
        """
        line = sentence
        if self._machine:
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            line = json.dumps({"event": event, "time": now, **facts, "message": sentence})
        print(line, file=self._out, flush=True)
