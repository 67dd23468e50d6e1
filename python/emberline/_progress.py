"""Progress of long work: a line on a terminal, a call where one was asked for, nothing otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emberline._emberline import Session, Stage

#: Work that ends sooner shows nothing.
_QUIET_SECONDS = 1.0

_callback: Callable[[dict[str, Any]], None] | None = None


def set_progress(callback: Callable[[dict[str, Any]], None] | None) -> None:
    """Has ``callback`` told how far work has come, about ten times a second; with none, only terminals are.

    It is called with a dict: ``what``, ``read`` and ``evaluated`` (images so far), ``failed``, ``seconds``, and, while
    tuning, ``trials`` and ``trialsDone``.
    """
    global _callback
    _callback = callback


@contextmanager
def progress(what: str, session: Session | None, stage: Stage | None = None) -> Iterator[Callable[[], None] | None]:
    """What the extension module is to call while it works, if anybody wants to know."""
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    if session is None or not (_callback or on_terminal):
        yield None
        return
    began, before = time.monotonic(), session.report()
    tuning: dict[str, int] = {}
    shown = False

    def tick() -> None:
        nonlocal shown
        for news in stage.news() if stage is not None else ():
            if news[0] == "planned":
                tuning.update(trials=news[3], trialsDone=0)
            elif news[0] == "finished":
                tuning["trialsDone"] = tuning.get("trialsDone", 0) + 1
        now, seconds = session.report(), time.monotonic() - began
        state: dict[str, Any] = {name: now[name] - before[name] for name in ("read", "evaluated", "failed")}
        state.update(tuning, what=what, seconds=seconds)
        if _callback:
            _callback(state)
        elif seconds > _QUIET_SECONDS:
            shown = True
            sys.stderr.write("\r\x1b[K" + _line(state))
            sys.stderr.flush()

    try:
        yield tick
    finally:
        if shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _line(state: dict[str, Any]) -> str:
    images = max(state["read"], state["evaluated"])
    parts = [f"{state['what']}: {state['seconds']:.0f} s"]
    if images:
        parts.append(f"{images} images, {images / state['seconds']:.0f}/s")
    if state["failed"]:
        parts.append(f"{state['failed']} failed")
    if state.get("trials"):
        parts.append(f"{state['trialsDone']} of {state['trials']} trials")
    return ", ".join(parts)
