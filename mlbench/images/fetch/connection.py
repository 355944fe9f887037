"""One request over HTTP: redirected to nothing but HTTP, and its failures told apart."""

from __future__ import annotations

import re
import ssl
import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from urllib.error import URLError
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request

from mlbench import __version__
from mlbench.errors import DataError

MOVED = frozenset({301, 302, 303, 307, 308})
MOVES = 10  # that are followed
PASSING = frozenset({408, 425, 429})
"""Refusals that may be others a moment later, as those from 500 on."""
RANGE = re.compile(r"bytes (?:(?P<start>\d+)-\d+|\*)/(?:(?P<whole>\d+)|\*)")


class BrokenOffError(Exception):
    """What failed this time may succeed the next."""


@dataclass(frozen=True)
class Answer:
    """What a server answers.

    Args:
        response: As it comes.
    """

    response: HTTPResponse

    @property
    def status(self) -> int:
        """Return what kind of answer it is."""
        return self.response.status

    @property
    def headers(self) -> HTTPMessage:
        """Return what is said about the content."""
        return self.response.headers

    @property
    def length(self) -> int | None:
        """Return how many bytes are still to come, where that is known."""
        return self.response.length

    @property
    def start(self) -> int | None:
        """Return the place in the whole file at which the content begins."""
        return self._range("start")

    @property
    def whole(self) -> int | None:
        """Return the length of the whole file."""
        return self._range("whole")

    def _range(self, what: str) -> int | None:
        match = RANGE.fullmatch(self.headers.get("Content-Range", "").strip())
        return int(match[what]) if match and match[what] else None

    def read(self, most: int) -> bytes:
        """Return what has come, as soon as something has; nothing at the end."""
        return self.response.read1(most)


@contextmanager
def ask(url: str, headers: Mapping[str, str], timeout: float) -> Iterator[Answer]:
    """Lend a server's answer, whatever it is, after redirections.

    Args:
        url: An address.
        headers: More headers to send.
        timeout: Seconds that the server may be silent.

    Raises:
        BrokenOffError: There is no connection.
        DataError: The address, or one that it is redirected to, is not of the web.
    """
    # Without urllib's own handlers: none for files, and answers of all kinds are returned.
    opener = OpenerDirector()
    for handler in (ProxyHandler(), HTTPHandler(), HTTPSHandler()):
        opener.add_handler(handler)
    sent = {"User-Agent": f"mlbench/{__version__}", **headers}
    place = url
    for _ in range(MOVES + 1):
        if not is_web(place):
            raise unfit(url, f"it leads to {place}, which is no address of http or https")
        with network(timeout):
            request = Request(place, headers=sent)  # noqa: S310  # the scheme is checked above
            response: HTTPResponse | None = opener.open(request, timeout=timeout)
        if response is None:
            raise unfit(url, "the proxy that the environment names is of an unknown kind")
        with response:
            if response.status not in MOVED:
                yield Answer(response)
                return
            place = moved(place, response.headers.get("Location", ""))
    raise unfit(url, f"it is redirected more than {MOVES} times")


def is_web(url: str) -> bool:
    """Return whether an address is one of http or https."""
    try:
        return urlsplit(url).scheme in {"http", "https"}
    except ValueError:
        return False


def moved(place: str, location: str) -> str:
    """Return where a server sends those who come to a place."""
    try:
        return urljoin(place, quote(location, safe=string.punctuation, encoding="latin-1"))
    except ValueError:
        return location


@contextmanager
def network(timeout: float) -> Iterator[None]:
    """Tell failures of the network from others.

    Raises:
        BrokenOffError: The connection failed.
        DataError: The server is not the one that it says it is.
    """
    try:
        yield
    except (OSError, HTTPException, ValueError) as err:  # the last, at chunks of no length
        reason = err.reason if isinstance(err, URLError) else err
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise DataError(
                f"the server's certificate cannot be verified ({reason.verify_message}); set the"
                " clock, install the system's certificates, or download on another machine"
            ) from err
        if isinstance(reason, TimeoutError):
            raise BrokenOffError(f"the server was silent for {timeout:g} s") from err
        words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        raise BrokenOffError(f"no connection ({' '.join(words.split())})") from err


def refusal(url: str, answer: Answer) -> Exception:
    """Return the error that an answer other than the file stands for."""
    words = f"the server answers {answer.status} {answer.response.reason}".rstrip()
    if answer.status in PASSING or answer.status >= 500:
        return BrokenOffError(words)
    return unfit(url, words)


def unfit(url: str, reason: str) -> DataError:
    """Return the error of an address that does not lead to its file."""
    return DataError(
        f"{url} cannot be fetched: {reason}; get the file by other means, and run:"
        " mlbench data add NAME FILE"
    )
