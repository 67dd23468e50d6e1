"""Progress of long work: a line on a terminal, a bar in a notebook, a call where asked for, nothing otherwise."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from emberline._emberline import Session, Stage

#: Work that ends sooner shows nothing.
_QUIET_SECONDS = 1.0

_callback: Callable[[dict[str, Any]], None] | None = None


def set_progress(callback: Callable[[dict[str, Any]], None] | None) -> None:
    """Has ``callback`` told how far work has come, about ten times a second; with none, terminals and
    notebooks are.

    It is called with a dict: ``what``, ``read`` and ``evaluated`` (images so far), ``failed``, ``seconds``, and, while
    tuning, ``trials`` and ``trialsDone``.
    """
    global _callback
    _callback = callback


class _Shown(Protocol):
    """Where people look."""

    def show(self, state: dict[str, Any]) -> None: ...

    def end(self) -> None: ...


class _Terminal:
    """A line that goes when the work is done."""

    def show(self, state: dict[str, Any]) -> None:
        sys.stderr.write("\r\x1b[K" + _line(state))
        sys.stderr.flush()

    def end(self) -> None:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


class _Notebook:
    """A bar below the cell, which goes when the work is done."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, state: dict[str, Any]) -> None:
        trials = state.get("trials")
        bar = f'<progress value="{state["trialsDone"]}" max="{trials}"></progress> ' if trials else ""
        self._put(f"<small>{bar}{html.escape(_line(state))}</small>")

    def end(self) -> None:
        self._put("")

    def _put(self, content: str) -> None:
        from IPython.display import HTML, display

        if self._handle is None:
            self._handle = display(HTML(content), display_id=True)
        else:
            self._handle.update(HTML(content))


def _shown() -> _Shown | None:
    """Where progress is shown: in the notebook that runs this, on a terminal, or nowhere."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None and getattr(shell, "kernel", None) is not None:
        return _Notebook()
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    return _Terminal() if on_terminal else None


@contextmanager
def progress(what: str, session: Session | None, stage: Stage | None = None) -> Iterator[Callable[[], None] | None]:
    """What the extension module is to call while it works, if anybody wants to know."""
    place = None if _callback else _shown()
    if session is None or not (_callback or place):
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
        elif place and seconds > _QUIET_SECONDS:
            shown = True
            place.show(state)

    try:
        yield tick
    finally:
        if shown and place:
            place.end()


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
