"""A web server on this machine that behaves as badly as it is told to."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from mlbench.images.fetch.download import Download

Behaviour = Callable[[BaseHTTPRequestHandler], None]


class Site:
    """What a server answers: by path, one behaviour a request, the last of them for ever after."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.behaviours: dict[str, list[Behaviour]] = {}
        self.requests: list[tuple[str, Message]] = []
        self.over = threading.Event()

    def serve(self, path: str, *behaviours: Behaviour) -> str:
        """Answer requests for a path; return its address."""
        self.behaviours[path] = list(behaviours)
        return self.address + path

    def offer(
        self, path: str, content: bytes, *behaviours: Behaviour, folder: str = ""
    ) -> Download:
        """Return an official file of that content."""
        digest = md5(content, usedforsecurity=False).hexdigest()
        url = self.serve(path, *(behaviours or (whole(content),)))
        return Download(url=url, md5=digest, bytes=len(content), folder=folder)

    def asked(self, header: str) -> list[str | None]:
        """Return a header of every request so far."""
        return [headers.get(header) for _, headers in self.requests]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request."""
        self.requests.append((handler.path, handler.headers))
        waiting = self.behaviours[handler.path.partition("?")[0]]
        behave = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        behave(handler)

    def silent(self, content: bytes = b"", after: int = 0) -> Behaviour:
        """Return a behaviour that sends some bytes, or not even a head, and then nothing more."""

        def behave(handler: BaseHTTPRequestHandler) -> None:
            if after:
                send(handler, 200, len(content))
                handler.wfile.write(content[:after])
            self.over.wait(10)

        return behave


@contextmanager
def site() -> Iterator[Site]:
    """Lend a server on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            lent.answer(self)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Keep quiet about clients that hang up."""

    with Server(("127.0.0.1", 0), Handler) as server:
        lent = Site(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        try:
            yield lent
        finally:
            lent.over.set()
            server.shutdown()
            thread.join()


def send(
    handler: BaseHTTPRequestHandler, status: int, length: int | None, **headers: str | None
) -> None:
    """Send the head of an answer."""
    handler.send_response(status)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    for name, text in headers.items():
        if text is not None:
            handler.send_header(name.replace("_", "-"), text)
    handler.end_headers()


def whole(
    content: bytes,
    *,
    after: int | None = None,
    etag: str | None = None,
    modified: str | None = None,
) -> Behaviour:
    """Return a behaviour that sends all, whatever is asked, or breaks off after some bytes."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        send(handler, 200, len(content), ETag=etag, Last_Modified=modified)
        handler.wfile.write(content[:after])
        hang_up(handler)

    return behave


def ranged(
    content: bytes,
    *,
    after: int | None = None,
    etag: str | None = None,
    modified: str | None = None,
    conditional: bool = True,
) -> Behaviour:
    """Return a behaviour that sends the range asked for, or breaks off after some bytes.

    Args:
        content: The whole.
        after: How many bytes of the range are sent.
        etag: What stands for the content.
        modified: When it was changed.
        conditional: Whether If-Range is heeded.
    """

    def behave(handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        condition = handler.headers.get("If-Range")
        outdated = conditional and condition not in {None, etag, modified}
        if asked is None or outdated:
            whole(content, after=after, etag=etag, modified=modified)(handler)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content):
            send(handler, 416, 0, Content_Range=f"bytes */{len(content)}")
            return
        place = f"bytes {start}-{len(content) - 1}/{len(content)}"
        length = len(content) - start
        send(handler, 206, length, Content_Range=place, ETag=etag, Last_Modified=modified)
        handler.wfile.write(content[start:][:after])
        hang_up(handler)

    return behave


def slowly(content: bytes, step: int, pause: float) -> Behaviour:
    """Return a behaviour that sends a few bytes at a time."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        send(handler, 200, len(content))
        for start in range(0, len(content), step):
            handler.wfile.write(content[start : start + step])
            handler.wfile.flush()
            time.sleep(pause)

    return behave


def refused(status: int) -> Behaviour:
    """Return a behaviour that answers with a status and nothing else."""
    return lambda handler: send(handler, status, 0)


def moved(target: str, status: int = 302) -> Behaviour:
    """Return a behaviour that sends clients elsewhere."""
    return lambda handler: send(handler, status, 0, Location=target)


def unannounced(content: bytes) -> Behaviour:
    """Return a behaviour that sends all without saying how much it is."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        send(handler, 200, None)
        handler.wfile.write(content)

    return behave


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection at once."""
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)
