# SPDX-License-Identifier: Apache-2.0
"""Where files may go by pipeline, and how a pipeline is opened on such a way.

A login with GSI and the making of a data channel are ten round trips, so it pays to be early: while a plan begins, a
`HeadStart` opens the pipeline that the first files are going to need.
"""

from __future__ import annotations

import time

from pyglobus.core.options import Options
from pyglobus.core.plan import Item, Pair
from pyglobus.core.remote import Remote
from pyglobus.core.session import Session
from pyglobus.core.url import Url
from pyglobus.ffi.annotation import NamedTuple
from pyglobus.ffi.pipeline import Pipeline, PipelineOptions

#: Larger files have a transfer of their own: several buffers at a time, and progress within the file.
LARGEST = 4 << 20
# Commands ahead of their replies: on a far server each is a round trip that is not waited for.
_DEPTH = 128
# So many of them on the farthest one.
_DEEPEST = 512
# Seconds after which a server may have lost its patience with a connection that has been silent.
_FRESH = 30.0
# Seconds in which a pipeline that has nothing to do takes its leave.
_LEAVE = 0.1


class Way(NamedTuple):
    """A direction, and the server at the far end."""

    receive: bool
    authority: str


def way_of(item: Item, options: Options) -> Way | None:
    """The way of an item that may go down a pipeline; None for one that may not."""
    far = item.source if item.source.is_ftp else item.destination
    near = item.destination if item.source.is_ftp else item.source
    if not (item.listed and near.is_local and far.is_ftp) or item.size is None or item.size > LARGEST:
        return None
    side = options.source if item.source.is_ftp else options.destination
    special = (
        side.module,
        side.net_stack,
        side.disk_stack,
        side.assertion,
        options.stripe_block,
        options.data_credential,
    )
    plain = not (options.parallel or options.partial or options.ascii or options.in_place)
    if not plain or options.relative or any(part is not None for part in special):
        return None
    if item.offset is not None or item.length is not None:
        return None
    return Way(item.source.is_ftp, far.authority)


def way_ahead(pair: Pair, options: Options) -> Way | None:
    """The way that small files of a pair will go, if there are any; None for a single file, or where a login is not
    worth an early start.
    """
    secure = "gsiftp" in (pair.source.scheme, pair.destination.scheme)
    if pair.source.is_plain or not secure:
        return None
    return way_of(Item(pair.source, pair.destination, 0, listed=True, offset=pair.offset, length=pair.length), options)


def open_pipeline(
    session: Session, options: Options, way: Way, ends: Item | Pair, *, ahead: bool, key: int
) -> Pipeline:
    """A pipeline on this way, for files at these ends. ``ahead`` and ``key``: as `PipelineOptions` has them.

    Raises `pyglobus.core.errors.Error` for a credential that cannot be used.
    """
    url: Url = ends.source if way.receive else ends.destination
    side = options.source if way.receive else options.destination
    chosen = Remote(session, url, side, options, "source" if way.receive else "destination").attributes(extended=True)
    data_credential = None
    if chosen.data_credential is not None:
        data_credential = session.data_credential(options.source.credential or options.destination.credential)
    return Pipeline(
        session.engine,
        PipelineOptions(
            host=url.host,
            port=url.port,
            secure=url.scheme == "gsiftp",
            receive=way.receive,
            credential=chosen.credential,
            delegation=chosen.delegation,
            data_credential=data_credential,
            user=chosen.user,
            password=chosen.password,
            subject=chosen.subject,
            ipv6=options.ipv6 or ":" in url.host,
            authenticate_data=options.authenticate_data,
            protection=chosen.protection,
            tcp_buffer=chosen.tcp_buffer,
            debug_fd=session.client.debug_fd,
            depth=_DEPTH,
            deepest=_DEEPEST,
            ahead=ahead and not way.receive,
            key=key,
            checksum=options.checksum_algorithm.upper() if options.verify else "",
        ),
    )


class HeadStart:
    """A pipeline that is opened before it is known what goes down it: either somebody takes it, or it is closed."""

    def __init__(self, way: Way, pipeline: Pipeline) -> None:
        self._way = way
        self._pipeline: Pipeline | None = pipeline
        self._opened = time.monotonic()

    def take(self, way: Way) -> Pipeline | None:
        """The pipeline, for files that go this way, unless it is gone, or may soon be."""
        pipeline = self._pipeline
        if pipeline is None or way != self._way or time.monotonic() - self._opened > _FRESH:
            return None
        self._pipeline = None
        return None if pipeline.operation.done() else pipeline

    def close(self) -> None:
        """Take leave of the server if nobody has taken the pipeline."""
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is None:
            return
        pipeline.end()
        if not pipeline.operation.wait(_LEAVE):
            pipeline.cancel()
            pipeline.operation.wait()
