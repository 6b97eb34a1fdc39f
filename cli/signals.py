# SPDX-License-Identifier: Apache-2.0
"""INT, TERM and HUP: cancel cleanly once, and then die by the signal, so that the shell and its loops see what
happened.

The first signal asks the operation that is under way to stop, by the innermost function given to `cancelling`; the
operation then ends by itself (usually in `pyglobus.core.errors.Cancelled`) and clean-up runs on the way out. With
nothing to cancel it raises KeyboardInterrupt in the main thread. The entry point ends the process with `die`, once
everything is put in order.

From the first signal on the system's own handling is back, so a second one ends the process at once even where Python
cannot run. A signal that the parent made us ignore (nohup, a background job of a script) stays ignored.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_cancels: list[Callable[[], object]] = []
_received: signal.Signals | None = None


def install() -> None:
    """Take over INT, TERM and HUP for this process. Call it once, in the main thread, before anything slow is
    imported.
    """
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _first)


@contextmanager
def cancelling(cancel: Callable[[], object]) -> Generator[None]:
    """Within the block the first signal calls ``cancel`` instead of raising.

    ``cancel`` is called in the main thread between any two steps of its code: it must return at once, must take no
    lock that the main thread may hold, and must make the block end soon. A signal that came before the block raises
    KeyboardInterrupt here.
    """
    _cancels.append(cancel)
    try:
        if _received is not None:
            raise KeyboardInterrupt
        yield
    finally:
        _cancels.remove(cancel)


def received() -> signal.Signals | None:
    """The signal that asked this process to end, if one has."""
    return _received


def die(number: int) -> NoReturn:
    """End this process by signal ``number``: what a shell shows as 128 + number."""
    signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # reached only where the signal cannot kill, as for process 1 of a container


def _first(number: int, _frame: FrameType | None) -> None:
    global _received
    for other in _SIGNALS:
        if signal.getsignal(other) is _first:
            signal.signal(other, signal.SIG_DFL)
    _received = signal.Signals(number)
    if not _cancels:
        raise KeyboardInterrupt
    _cancels[-1]()
