# SPDX-License-Identifier: Apache-2.0
"""Security contexts, without any input or output of their own.

A context is established by tokens that the caller carries: `Context.step` takes the peer's token and gives the one to
send, until `Context.established`. Then each side knows who the other is (`Context.peer`), before any message is
trusted, and messages can be wrapped or signed. What was demanded and is not there makes the last step fail, so a
context that is established has all of it.

The library encrypts always; "integrity only" exists for signatures beside a message (`Context.get_mic`) alone. Steps
and messages of one context must come from one thread at a time, and in order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property

from pyglobus.core import errors
from pyglobus.core.gss.calls import run
from pyglobus.core.gss.credential import Credential
from pyglobus.core.gss.flags import BASE, GRANTED, PROTECTED, Delegation, Flag, common, words
from pyglobus.core.gss.name import Name
from pyglobus.ffi import lib
from pyglobus.ffi.context import GssContext, ends, whole
from pyglobus.ffi.gss import GssCredential, released_with

Token = bytes | bytearray | memoryview
# Own name, the peer's, what was delegated, and when the credential ends that lives longer.
_Found = tuple[Name | None, Name | None, GssCredential | None, float]

#: A handshake token longer than this is an attack: the largest chains that OpenSSL reads have 100 KiB.
MOST_TOKEN = 1 << 20
#: So is a handshake of more steps: each TLS record may come alone, and the longest chains fill a dozen.
MOST_STEPS = 64
# GSSAPI counts whole seconds: times that differ by less may be the same.
_CLOCK_STEP = 2.0


class Context:
    """A security context: `initiate` or `accept` makes one."""

    def __init__(
        self, native: GssContext, *, initiates: bool, asked: Flag, demanded: Flag, target: Name | None,
        credential: Credential | None,
    ) -> None:  # fmt: skip
        """Of the package."""
        self._native = native
        self.initiates = initiates
        self._kept = (target, credential)  # C refers to both
        self._where = str(target) if target is not None else None
        self._demanded = demanded
        self._steps = 0
        self._failed = False
        self._close = released_with(self, native.close)
        #: Whether messages can be exchanged.
        self.established = False
        #: What was asked for, and, once established, what there is.
        self.asked = asked
        self.granted = Flag(0)
        #: Our own name and the peer's, once established; None for who stays anonymous.
        self.name: Name | None = None
        self.peer: Name | None = None
        self._latest = 0.0
        #: The credential that the initiator has delegated.
        self.delegated: Credential | None = None

    @classmethod
    def initiate(
        cls,
        target: Name | str | None,
        *,
        credential: Credential | None = None,
        delegate: Delegation | str = Delegation.NONE,
        anonymous: bool = False,
        tls_only: bool = False,
        limited_peer: bool = True,
        demand: Flag = PROTECTED,
    ) -> Context:
        """The context of a client.

        ``target`` is who the peer must be, as `Name.of` reads it; None accepts whoever a trusted authority vouches for,
        and leaves it to the caller to look at `peer`. ``credential``: None for the user's own. ``tls_only`` leaves out
        GSI's byte after the handshake, for peers that speak TLS alone. ``limited_peer``: whether a limited proxy may
        be at the other end.
        """
        delegate = Delegation(delegate)
        if delegate is not Delegation.NONE and (anonymous or tls_only or target is None):
            raise errors.UsageError(
                "cannot delegate", why="delegation needs a named target, an own name, and GSI at the other end"
            )
        asked, flags = PROTECTED | Flag.REPLAY | Flag.SEQUENCE, BASE
        if delegate is not Delegation.NONE:
            asked, flags = asked | Flag.DELEGATION, flags | lib.GSS_C_DELEG_FLAG
        if delegate is Delegation.LIMITED:
            asked, flags = asked | Flag.LIMITED_DELEGATION, flags | lib.GSS_C_GLOBUS_DELEGATE_LIMITED_PROXY_FLAG
        if anonymous:
            asked, flags = asked | Flag.ANONYMOUS, flags | lib.GSS_C_ANON_FLAG
        if credential is None and not anonymous:
            credential = Credential.default()
        name = Name.of(target) if target is not None else None
        return cls._make(True, credential, name, asked, demand, flags | common(tls_only, limited_peer))

    @classmethod
    def accept(
        cls,
        *,
        credential: Credential | None = None,
        anonymous: bool = False,
        tls_only: bool = False,
        limited_peer: bool = True,
        demand: Flag = PROTECTED,
    ) -> Context:
        """The context of a server. ``credential``: None for what the toolkit finds. ``anonymous``: whether the peer may
        stay nameless. Demand `Flag.DELEGATION` to refuse who does not delegate.
        """
        asked = PROTECTED | Flag.REPLAY | Flag.SEQUENCE
        if anonymous:
            asked |= Flag.ANONYMOUS
        credential = credential or Credential.default(accept=True)
        return cls._make(False, credential, None, asked, demand, BASE | common(tls_only, limited_peer))

    @classmethod
    def _make(
        cls,
        initiates: bool,
        credential: Credential | None,
        target: Name | None,
        asked: Flag,
        demanded: Flag,
        flags: int,
    ) -> Context:
        native = GssContext(
            initiates=initiates,
            credential=credential.native if credential else None,
            target=target.native if target else None,
            flags=flags,
        )
        return cls(
            native, initiates=initiates, asked=asked, demanded=demanded, target=target, credential=credential
        )  # fmt: skip

    # Establishment ---------------------------------------------------------------------------------------------------

    def step(self, token: Token = b"") -> bytes:
        """Take the peer's token and give the one to send, which may be empty. An initiator begins with an empty one.

        Raises `errors.CredentialError`, `errors.ProtocolError` or another of ours; the context is then of no more use,
        but `farewell` may hold a token that tells the peer why.
        """
        return self.steps((token,))[0]

    def steps(self, tokens: Sequence[Token]) -> tuple[bytes, int]:
        """`step` for tokens that have come together, up to the first that is answered or is the last of the handshake:
        the answer, and how many were taken.
        """
        if self._failed or self.established:
            raise errors.UsageError(
                "cannot step", why="the context is established" if self.established else "it failed"
            )
        what = "cannot establish a security context"
        tokens = tokens[: max(MOST_STEPS - self._steps, 0)]
        try:
            if not tokens or any(len(token) > MOST_TOKEN for token in tokens):
                raise errors.ProtocolError(what, why="the handshake has no end")
            answer, taken, found = run(self._advance, tokens, what=what, where=self._where)
            if found is not None:
                self._learn(*found)
        except BaseException:
            self._failed = True
            raise
        self._steps += taken
        self.established = found is not None
        return answer, taken

    def _advance(self, tokens: Sequence[Token]) -> tuple[bytes, int, _Found | None]:
        """In the engine's thread, so that a flight of tokens costs one turn of it."""
        answer, done, taken = b"", False, 0
        while taken < len(tokens) and not answer and not done:
            answer, done = self._native.step(tokens[taken])
            taken += 1
        return answer, taken, self._inquire() if done else None

    @property
    def farewell(self) -> bytes:
        """After a failed step: a token that tells the peer, or nothing."""
        return self._native.farewell

    def _learn(
        self, name: Name | None, peer: Name | None, delegated: GssCredential | None, latest: float
    ) -> None:  # fmt: skip
        what = "cannot establish a security context"
        self.name, self.peer, self._latest = name, peer, latest
        self.delegated = Credential(delegated) if delegated is not None else None
        self.granted = self._really()
        if lacking := self._demanded & ~self.granted:
            raise errors.CredentialError(
                what, where=self._where or (str(self.peer) if self.peer else None), fault="context-lacks",
                why=f"it lacks {words(lacking)}",
            )  # fmt: skip
        if Flag.ANONYMOUS in self.granted and Flag.ANONYMOUS not in self.asked:
            raise errors.CredentialError(what, why="the peer does not say who it is", fault="anonymous-peer")

    def _inquire(self) -> _Found:
        name, peer, left = self._native.identities()
        mine, theirs = (Name(each, each.display()) if each is not None else None for each in (name, peer))
        return mine, theirs, self._native.take_delegated(), time.time() + left

    def _really(self) -> Flag:
        """The flags as they are; of those that the library always sets, what is known otherwise."""
        flags = self._native.flags
        granted = Flag(0)
        for ours, theirs in GRANTED:
            if flags & theirs:
                granted |= ours
        if self.initiates:
            granted |= self.asked & (Flag.DELEGATION | Flag.LIMITED_DELEGATION | Flag.ANONYMOUS)
            if self.peer is None:
                granted &= ~Flag.MUTUAL
        else:
            if self.peer is None:
                granted |= Flag.ANONYMOUS
            if self.delegated is not None:
                granted |= Flag.DELEGATION | (Flag.LIMITED_DELEGATION if self.delegated.limited else Flag(0))
        return granted

    @property
    def expires(self) -> float | None:
        """When the first of both credentials ends, in seconds since the epoch; None before the context is established.
        Later, messages are refused.
        """
        return self._expires if self._latest else None

    @cached_property
    def _expires(self) -> float:
        own = self._kept[1].expires if self._kept[1] is not None else None
        if own is not None and own < self._latest - _CLOCK_STEP:
            return own
        # The peer's ends first, or with ours: only its certificates tell when, which takes the library a millisecond.
        return min([self._latest, *map(ends, self.peer_certificates)])

    @cached_property
    def peer_certificates(self) -> tuple[bytes, ...]:
        """The peer's certificates in DER, its own first; the authority's is the last."""
        self._alive()
        return tuple(run(self._native.peer_chain, what="cannot inquire the security context", where=self._shown()))

    @cached_property
    def tls(self) -> tuple[str, str]:
        """TLS version and cipher."""
        self._alive()
        return run(self._native.tls, what="cannot inquire the security context", where=self._shown())

    # Messages --------------------------------------------------------------------------------------------------------

    def wrap(self, message: Token) -> bytes:
        """Encrypt and sign a message: a token for the peer's `unwrap`."""
        self._require()
        return run(self._native.wrap, message, what="cannot wrap a message", where=self._shown())

    def unwrap(self, token: Token) -> bytes:
        """The message in a token of the peer's `wrap`. Tokens are unwrapped in the order they were made, each once.

        Raises `errors.ProtocolError` or `errors.DataError` for anything else; then the context is spoilt.
        """
        self._require()
        what = "cannot unwrap a message"
        if not whole(token):
            raise errors.ProtocolError(
                what, where=self._shown(), why="this is no token, or a part of one", fault="gss-defective-token"
            )
        try:
            message, encrypted = run(self._native.unwrap, token, what=what, where=self._shown())
            if not encrypted and Flag.CONFIDENTIALITY in self._demanded:
                raise errors.ProtocolError(what, where=self._shown(), why="it is not encrypted", fault="gss-clear")
        except BaseException:
            self._failed = True
            raise
        return message

    def get_mic(self, message: Token) -> bytes:
        """A signature of a message that is sent otherwise (RFC 2744: message integrity code)."""
        self._require()
        return run(self._native.get_mic, message, what="cannot sign a message", where=self._shown())

    def verify_mic(self, message: Token, mic: Token) -> None:
        """Check a signature of the peer's `get_mic`; each is good once, in order. Raises `errors.DataError`."""
        self._require()
        run(self._native.verify_mic, message, mic, what="cannot verify a message", where=self._shown())

    # Delegation at any time ------------------------------------------------------------------------------------------

    def delegation(
        self, *, credential: Credential | None = None, limited: bool = False, seconds: int = 0
    ) -> Callable[[Token], tuple[bytes, bool]]:
        """Delegate over the established context (GFD.24): a step function.

        It takes the peer's token, empty at first, and returns the token to send and whether that was the last one.
        ``credential``: None for that of the context. ``seconds`` of life, 0 for the library's 12 hours.
        """
        self._require()
        native = credential.native if credential else None

        def call(token: Token) -> tuple[bytes, bool]:
            return self._native.init_delegation(token, native, limited=limited, seconds=seconds)

        def step(token: Token = b"") -> tuple[bytes, bool]:
            self._require()
            return run(call, token, what="cannot delegate", where=self._shown())

        return step

    def accept_delegation(self, token: Token) -> tuple[bytes, Credential | None]:
        """The other side of `delegation`: the token to send, and with the last step the credential."""
        self._require()
        answer, native = run(
            self._native.accept_delegation, token, what="cannot accept delegation", where=self._shown()
        )
        return answer, Credential(native) if native is not None else None

    # Life ------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Forget the keys. Idempotent."""
        self._failed = True
        self._close()

    def __enter__(self) -> Context:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _alive(self) -> None:
        if self._native.pointer is None:
            raise errors.UsageError("cannot use the security context", where=self._where, why="it is closed")

    def _require(self) -> None:
        self._alive()
        if self._failed or not self.established:
            why = "it has failed" if self._failed else "it is not established"
            raise errors.UsageError("cannot use the security context", where=self._where, why=why)
        if self.expires is not None and time.time() >= self.expires:
            raise errors.CredentialError(
                "cannot use the security context", where=self._shown(), why="a credential of it has expired",
                fault="context-expired", hint="make a new context",
            )  # fmt: skip

    def _shown(self) -> str | None:
        return str(self.peer) if self.peer is not None else self._where
