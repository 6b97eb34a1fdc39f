# SPDX-License-Identifier: Apache-2.0
"""How a transfer is made: everything a caller may choose, with the defaults of globus-url-copy."""

from __future__ import annotations

from pyglobus.core.checksum import ALGORITHMS
from pyglobus.core.errors import UsageError
from pyglobus.ffi.annotation import NamedTuple

#: Bytes per buffer; with four of them in flight a loopback transfer runs at the speed of a raw socket.
BLOCK_SIZE = 1 << 20
MAX_BLOCK_SIZE = 1 << 28
MAX_PARALLEL = 256
#: Protection of the data channel: nothing, integrity, or integrity and encryption (RFC 2228).
PROTECTIONS = ("clear", "safe", "private")
#: What a server gets of the credential at login: nothing unless it needs it, nothing, or a limited or full proxy.
DELEGATIONS = ("auto", "none", "limited", "full")

# Bytes that no file has, and seconds that nobody waits: what C and the system can count is not much more.
_LARGEST = 1 << 62
_LONGEST = 1e9


class Side(NamedTuple):
    """What holds for one end. ``subject`` is the name that its server must have, ``credential`` a proxy file to
    use there. The others are for GridFTP servers: the ``module`` that stores files, with its arguments; the XIO drivers
    of network and disk (``net_stack``, ``disk_stack``: names with commas, bottom first); an authorization
    ``assertion``, and whether the server keeps it for later operations.
    """

    subject: str | None = None
    credential: str | None = None
    module: str | None = None
    module_arguments: str | None = None
    net_stack: str | None = None
    disk_stack: str | None = None
    assertion: str | None = None
    keep_assertion: bool = False


class Retry(NamedTuple):
    """When transient faults are retried. ``interval`` and ``window`` are seconds; 0 means exponential, or no limit.

    ``times`` 0 is for ever.
    """

    times: int = 5
    interval: float = 0.0
    window: float = 0.0

    def check(self) -> None:
        """Raises `UsageError` for values that make no sense."""
        _within("number of retries", self.times, 0, _LARGEST)
        _within("pause between retries", self.interval, 0, _LONGEST)
        _within("time for retries", self.window, 0, _LONGEST)


class Options(NamedTuple):
    """The choices of a transfer. Sizes and offsets are bytes, times are seconds.

    ``length`` None is to the end of the file; ``stall_timeout`` 0 never ends a transfer that stands still;
    ``timeout`` limits the whole. ``in_place`` writes a local destination without a temporary name. ``reuse_data``
    keeps data channels open from file to file (MODE E) where the server can. ``stripe_block`` asks for a striped
    transfer: -1 as the server likes, 0 partitioned, else in blocks of so many bytes. ``allocate`` announces the size.
    ``relative`` reads paths of FTP URLs as relative to the login's directory. ``data_credential`` is a file for data
    channels alone; by default one is derived. ``preserve`` gives the destination the source's permissions and time of
    last change, as far as its server can.
    """

    parallel: int = 0
    block_size: int = BLOCK_SIZE
    tcp_buffer: int = 0
    protection: str = "clear"
    authenticate_data: bool = True
    third_party: bool = True
    offset: int = 0
    length: int | None = None
    create_directories: bool = False
    in_place: bool = False
    reuse_data: bool = False
    ascii: bool = False
    ipv6: bool = False
    gridftp2: bool = False
    relative: bool = False
    delayed_passive: bool = False
    stripe_block: int | None = None
    allocate: bool = True
    data_credential: str | None = None
    delegate: str = "auto"
    source: Side = Side()
    destination: Side = Side()
    retry: Retry | None = None
    connect_timeout: float = 60.0
    stall_timeout: float = 600.0
    timeout: float | None = None
    verify: bool = False
    checksum_algorithm: str = "md5"
    preserve: bool = False

    def check(self) -> Options:
        """These options, if they make sense; else raises `UsageError`."""
        _within("parallel streams", self.parallel, 0, MAX_PARALLEL)
        _within("block size", self.block_size, 1, MAX_BLOCK_SIZE)
        _within("TCP buffer size", self.tcp_buffer, 0, 1 << 31)
        _within("offset", self.offset, 0, _LARGEST)
        if self.length is not None:
            _within("length", self.length, 0, _LARGEST - self.offset)
        for what, seconds in (
            ("connect timeout", self.connect_timeout),
            ("stall timeout", self.stall_timeout),
            ("timeout", 0.0 if self.timeout is None else self.timeout),
        ):
            _within(what, seconds, 0, _LONGEST)
        if self.retry is not None:
            self.retry.check()
        if self.protection not in PROTECTIONS:
            raise UsageError("bad protection", where=self.protection, why=f"it is none of {', '.join(PROTECTIONS)}")
        if self.delegate not in DELEGATIONS:
            raise UsageError("bad delegation", where=self.delegate, why=f"it is none of {', '.join(DELEGATIONS)}")
        if self.checksum_algorithm.lower() not in ALGORITHMS:
            raise UsageError(
                "unknown checksum algorithm", where=self.checksum_algorithm, why=f"known are {', '.join(ALGORITHMS)}"
            )
        if self.protection != "clear" and not self.authenticate_data:
            raise UsageError(
                "protection without authentication", why="a data channel can only be protected if it is authenticated"
            )
        return self

    @property
    def partial(self) -> bool:
        """Whether a part of the file is asked for."""
        return self.offset > 0 or self.length is not None

    @property
    def end(self) -> int:
        """Where the part ends (exclusive); -1: at the end of the file."""
        return -1 if self.length is None else self.offset + self.length


def _within(what: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise UsageError(f"bad {what}", where=str(value), why=f"it must be from {least} to {most}")
