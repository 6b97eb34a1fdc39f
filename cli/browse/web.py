# SPDX-License-Identifier: Apache-2.0
"""The browser in a web page: one page for one user, on this machine alone.

Whoever opens the page acts with the user's credential, so the door is narrow. It listens on loopback only. The URL that
is printed holds a token which opens it once, for a cookie that no script can read and no other site sends; all else
without that cookie is refused, as are a Host that is not this machine (a name that was bent to it) and an Origin that
is not this page. One page at a time has a connection; a second one is refused. What is refused is told, and when nobody
has been there for a while, the door closes.

The page is that of textual-serve, which brings the terminal for web browsers; it loads nothing from elsewhere. For each
connection the program itself runs as a child whose terminal is the page.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files

from aiohttp import WSMsgType, web

from pyglobus.cli.output import Output, printable

_COOKIE = "pyglobus-browse"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self' {socket}; "
    "img-src 'self' data:; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>pyglobus browse</title>
<link rel="stylesheet" href="/static/css/xterm.css"><script src="/static/js/textual.js"></script>
<style>html, body {{ margin: 0; height: 100%; background: #121212; overflow: hidden }}
.textual-terminal {{ width: 100vw; height: 100vh }} .closed {{ display: none }}
body.-closed .closed {{ display: block; color: #ddd; font: 16px sans-serif; padding: 2em }}</style></head>
<body><p class="closed">The browser has ended. Reload this page for another one.</p>
<div id="terminal" class="textual-terminal" data-session-websocket-url="{socket}" data-font-size="15"></div>
</body></html>
"""
# What a terminal sends at a time, and how large one is.
_MAX_MESSAGE = 1 << 20
_MAX_CELLS = 1000
# Seconds that a child has to end by itself.
_PATIENCE = 10.0


class Door:
    """``arguments`` are those of the child; ``idle`` is how many seconds nobody may be there."""

    def __init__(self, output: Output, arguments: Sequence[str], *, port: int = 0, idle: float = 900.0) -> None:
        self._output = output
        self._arguments = list(arguments)
        self._port = port
        self._idle = idle
        self._token: str | None = secrets.token_urlsafe(32)
        self._cookie = secrets.token_urlsafe(32)
        self._busy = False
        self._last = 0.0
        self._end = asyncio.Event()
        self._hosts: tuple[str, ...] = ()

    def run(self) -> None:
        """Serve until nobody has been there for long, or a signal comes."""
        asyncio.run(self._serve())

    def stop(self) -> None:
        """End soon; safe in a signal handler of the main thread."""
        self._end.set()

    async def _serve(self) -> None:
        app = web.Application(middlewares=[self._guard], client_max_size=1024)
        app.add_routes([web.get("/", self._page), web.get("/ws", self._socket)])
        app.router.add_static("/static", str(files("textual_serve") / "static"), show_index=False)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self._port)
        await site.start()
        port = runner.addresses[0][1]
        self._hosts = f"127.0.0.1:{port}", f"localhost:{port}"
        loop = asyncio.get_running_loop()
        self._last = loop.time()
        self._output.line(f"http://127.0.0.1:{port}/?token={self._token}")
        self._output.flush()
        try:
            while not self._end.is_set():
                left = self._last + self._idle - loop.time()
                if left <= 0 and not self._busy:
                    self._output.note("nobody has been here for a while: the page is closed")
                    return
                await asyncio.sleep(min(max(left, 0.05), 0.2))
        finally:
            await runner.cleanup()

    # Who may come in -------------------------------------------------------------------------------------------------

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        wrong = self._wrong(request)
        if wrong is not None:
            return self._refuse(request, wrong)
        self._last = asyncio.get_running_loop().time()
        if "token" in request.query:
            return self._admit()
        response = await handler(request)
        if not response.prepared:
            socket = f"ws://{request.host}"
            response.headers["Content-Security-Policy"] = _POLICY.format(socket=socket)
            response.headers["Referrer-Policy"] = "no-referrer"
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.headers["Cache-Control"] = "no-store"
        return response

    def _wrong(self, request: web.Request) -> str | None:
        """Why a request is refused; None if it is not."""
        if request.host not in self._hosts:
            return f"the Host is {request.host!r}"
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"http://{request.host}":
            return f"the Origin is {origin!r}"
        if request.path == "/ws" and origin is None:
            return "there is no Origin"
        if "token" in request.query:
            given = request.query["token"]
            if self._token is None:
                return "the token was used before"
            right = secrets.compare_digest(given.encode(), self._token.encode())
            return None if right and request.path == "/" else "the token is wrong"
        cookie = request.cookies.get(_COOKIE, "")
        if not secrets.compare_digest(cookie.encode("utf-8", "replace"), self._cookie.encode()):
            return "there is no token"
        if request.path == "/ws" and self._busy:
            return "another page has the connection"
        return None

    def _refuse(self, request: web.Request, why: str) -> web.Response:
        where = f"{request.method} {request.path} from {request.remote}"
        self._output.warning(f"{self._output.command}: refused: {printable(where[:200])}: {printable(why[:200])}")
        return web.Response(status=403, text="refused\n")

    def _admit(self) -> web.Response:
        self._token = None
        response = web.Response(status=303, headers={"Location": "/", "Referrer-Policy": "no-referrer"})
        response.set_cookie(_COOKIE, self._cookie, httponly=True, samesite="Strict", path="/")
        return response

    # What they get ---------------------------------------------------------------------------------------------------

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(text=_PAGE.format(socket=f"ws://{request.host}/ws"), content_type="text/html")

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        self._busy = True
        try:
            socket = web.WebSocketResponse(heartbeat=15, max_msg_size=_MAX_MESSAGE)
            await socket.prepare(request)
            await self._connect(socket, _cells(request, "width", 80), _cells(request, "height", 24))
            return socket
        finally:
            self._busy = False
            self._last = asyncio.get_running_loop().time()

    async def _connect(self, socket: web.WebSocketResponse, width: int, height: int) -> None:
        environment = dict(os.environ) | {
            "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver", "TEXTUAL_COLOR_SYSTEM": "truecolor",
            "COLUMNS": str(width), "ROWS": str(height),
        }  # fmt: skip
        code = "import sys; from pyglobus.cli.main import pyglobus; sys.exit(pyglobus())"
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, "browse", *self._arguments, stdin=pipe, stdout=pipe, env=environment
        )
        shown = asyncio.create_task(_show(child, socket))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await _type(child, socket, message.data)
                if self._end.is_set():
                    break
        finally:
            await _leave(child)
            shown.cancel()
            await asyncio.gather(shown, return_exceptions=True)
            await socket.close()


async def _show(child: asyncio.subprocess.Process, socket: web.WebSocketResponse) -> None:
    """What the child draws goes to the page (the packets of textual's web driver)."""
    assert child.stdout is not None
    try:
        while (line := await child.stdout.readline()) and line != b"__GANGLION__\n":
            pass
        while True:
            kind = await child.stdout.readexactly(1)
            payload = await child.stdout.readexactly(int.from_bytes(await child.stdout.readexactly(4), "big"))
            if kind == b"D":
                await socket.send_bytes(payload)
            elif kind == b"M" and json.loads(payload).get("type") == "exit":
                break
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    await socket.close()


async def _type(child: asyncio.subprocess.Process, socket: web.WebSocketResponse, text: str) -> None:
    """What is typed in the page goes to the child; what is no such message is passed over."""
    try:
        match json.loads(text):
            case ["stdin", str() as typed]:
                _packet(child, b"D", typed.encode())
            case ["resize", {"width": int() as width, "height": int() as height}]:
                size = {"width": max(1, min(width, _MAX_CELLS)), "height": max(1, min(height, _MAX_CELLS))}
                _packet(child, b"M", json.dumps({"type": "resize", **size}).encode())
            case ["ping", data]:
                await socket.send_json(["pong", data])
            case ["focus" | "blur" as kind, *_]:
                _packet(child, b"M", json.dumps({"type": kind}).encode())
    except ValueError:
        return


def _packet(child: asyncio.subprocess.Process, kind: bytes, payload: bytes) -> None:
    if child.stdin is not None and not child.stdin.is_closing():
        child.stdin.write(kind + len(payload).to_bytes(4, "big") + payload)


async def _leave(child: asyncio.subprocess.Process) -> None:
    """Let the child put its transfers by, and end."""
    _packet(child, b"M", json.dumps({"type": "quit"}).encode())
    try:
        await asyncio.wait_for(child.wait(), _PATIENCE)
    except TimeoutError:
        child.send_signal(signal.SIGKILL)
        await child.wait()


def _cells(request: web.Request, name: str, default: int) -> int:
    given = request.query.get(name, "")
    return max(1, min(int(given), _MAX_CELLS)) if given.isascii() and given.isdigit() and len(given) < 6 else default
