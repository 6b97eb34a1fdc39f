# SPDX-License-Identifier: Apache-2.0
"""A proxy fetched from a MyProxy server by both tools. The pass phrase comes on standard input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.cases import Case, Goal
from benchmarks.field import Field


@dataclass(frozen=True)
class Fetch:
    """A proxy of what the sandbox's server keeps; ``tools`` are ours and the peer."""

    name: str
    title: str
    tools: tuple[str, str]
    goal: Goal
    rounds: int = 15

    def commands(self, field: Field) -> Mapping[str, list[str]]:
        kept = field.kept
        arguments = ["-s", kept.server, "-p", str(kept.port), "-l", kept.username, "-S", "-o", str(field.received)]
        read = f'exec "$0" "$@" <{kept.pass_phrase}'
        return {tool: ["sh", "-c", read, tool, *arguments] for tool in self.tools}

    def check(self, field: Field, runner: str, printed: str, *, thorough: bool) -> None:
        if b"PRIVATE KEY-----" not in field.received.read_bytes():
            raise ValueError("there is no proxy")
        field.received.unlink()


FETCHES: tuple[Case, ...] = (
    Fetch("myproxy-get", "fetch a proxy (MyProxy)", ("myproxy-get", "myproxy-logon"), Goal(extra=0.1)),
)
