# SPDX-License-Identifier: Apache-2.0
"""Who is told that a server is ready: the reader of its output, whoever waits at a descriptor, and the service manager
that has started it (sd_notify(3)).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from pyglobus.cli.output import Output
from pyglobus.core import errors


def announce(url: str, output: Output, *, ready_fd: int | None = None, silent: bool = False) -> None:
    """Tell the URL: as the first line of standard output, unless ``silent``, or as an event; to ``ready_fd``, which is
    then closed; and to the service manager.

    Raises `errors.UsageError` if ``ready_fd`` cannot be written.
    """
    if not output.is_text:
        output.event("listening", {"url": url})
    elif not silent:
        output.line(url)
    output.flush()
    if ready_fd is not None:
        with usable(ready_fd), os.fdopen(ready_fd, "w") as ready:
            ready.write(url + "\n")
    notify(f"READY=1\nSTATUS=listening at {url}")


@contextlib.contextmanager
def usable(descriptor: int) -> Iterator[None]:
    """What fails within the block is the fault of who gave this descriptor. Raises `errors.UsageError`."""
    try:
        yield
    except OSError as error:
        raise errors.UsageError("invalid --ready-fd", where=str(descriptor), why=error.strerror) from error


def notify(state: str) -> None:
    """Tell the service manager, if there is one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    import socket

    where = "\0" + address[1:] if address.startswith("@") else address
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state.encode(), where)
