"""Downloads over connections that break, from servers that change, lie, wander and sleep."""

from __future__ import annotations

import shutil
import socket
import ssl
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn
from urllib.error import URLError

import numpy as np
import pytest

from mlbench.errors import DataError
from mlbench.images.fetch.connection import network
from mlbench.images.fetch.download import Download, md5_of
from mlbench.images.fetch.fetcher import Fetcher, downloads_folder
from mlbench.images.home import data_home, packed_names
from tests.served import Site, moved, ranged, refused, send, slowly, unannounced, whole

CONTENT = np.random.default_rng(0).bytes(50_000)
OTHER = np.random.default_rng(1).bytes(50_000)
HALF = 20_000


class Watcher:
    """Counts the bytes that are told, and collects what is said."""

    def __init__(self) -> None:
        self.bytes = 0
        self.steps = 0
        self.said: list[str] = []

    def advance(self, count: int) -> None:
        self.bytes += count
        self.steps += 1

    def fetcher(self, waits: Sequence[float] = (0, 0), timeout: float = 5) -> Fetcher:
        return Fetcher(
            name="tiny", advance=self.advance, tell=self.said.append, waits=waits, timeout=timeout
        )


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


def fetch(watcher: Watcher, download: Download, waits: Sequence[float] = (0, 0)) -> Path:
    (path,) = watcher.fetcher(waits).fetch_all([download])
    return path


def refusal(watcher: Watcher, download: Download, waits: Sequence[float] = (0, 0)) -> str:
    with pytest.raises(DataError) as caught:
        fetch(watcher, download, waits)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def left() -> list[str]:
    return sorted(path.name for path in downloads_folder("tiny").iterdir())


def test_a_file_is_fetched_under_its_own_name(server: Site, watcher: Watcher) -> None:
    path = fetch(watcher, server.offer("/files/a%20b.zip", CONTENT, whole(CONTENT)))
    assert path == data_home() / ".downloads" / "tiny" / "a b.zip"
    assert path.read_bytes() == CONTENT
    assert left() == ["a b.zip"]
    assert (watcher.bytes, watcher.said) == (len(CONTENT), [])


def test_a_query_is_no_part_of_the_name() -> None:
    assert Download(url="https://a.org/b/c.zip?download=1", md5="", bytes=0).file == "c.zip"


def test_downloads_are_no_packed_data_set(server: Site, watcher: Watcher) -> None:
    fetch(watcher, server.offer("/a.zip", CONTENT))
    assert packed_names() == []


@pytest.mark.parametrize(
    ("etag", "modified"), [('"one"', None), (None, "Mon, 01 Jan 2024"), (None, None)]
)
def test_what_broke_off_is_gone_on_with(
    etag: str | None, modified: str | None, server: Site, watcher: Watcher
) -> None:
    first = ranged(CONTENT, after=HALF, etag=etag, modified=modified)
    rest = ranged(CONTENT, etag=etag, modified=modified)
    path = fetch(watcher, server.offer("/a.zip", CONTENT, first, rest))
    assert path.read_bytes() == CONTENT
    assert server.asked("Range") == [None, f"bytes={HALF}-"]
    assert server.asked("If-Range") == [None, etag or modified]
    assert watcher.bytes == len(CONTENT)
    assert watcher.said == [
        "a.zip: the connection broke off 30000 bytes before the end; trying again in 0 s"
    ]


def test_a_weak_etag_is_no_condition(server: Site, watcher: Watcher) -> None:
    first, rest = ranged(CONTENT, after=HALF, etag='W/"1"'), ranged(CONTENT, etag='W/"1"')
    fetch(watcher, server.offer("/a.zip", CONTENT, first, rest))
    assert server.asked("If-Range") == [None, None]


def test_any_number_of_breaks_is_outlasted_as_long_as_something_comes(
    server: Site, watcher: Watcher
) -> None:
    path = fetch(watcher, server.offer("/a.zip", CONTENT, ranged(CONTENT, after=4_999)), (0,))
    assert path.read_bytes() == CONTENT
    assert len(server.requests) == 11
    assert watcher.bytes == len(CONTENT)


def test_what_a_former_process_left_is_gone_on_with(server: Site, watcher: Watcher) -> None:
    first, rest = ranged(CONTENT, after=HALF, etag='"1"'), ranged(CONTENT, etag='"1"')
    download = server.offer("/a.zip", CONTENT, first, rest)
    message = refusal(watcher, download, waits=())
    assert "1 times in a row; 0.0 MB of it are kept: to go on, repeat the command" in message
    assert left() == ["a.zip.part", "a.zip.part.json"]
    again = Watcher()
    assert fetch(again, download).read_bytes() == CONTENT
    assert server.asked("If-Range") == [None, '"1"']
    assert again.bytes == len(CONTENT)
    assert left() == ["a.zip"]


def test_an_interrupt_leaves_what_has_come(server: Site, watcher: Watcher) -> None:
    def interrupt(count: int) -> None:
        if count:
            raise KeyboardInterrupt

    download = server.offer("/a.zip", CONTENT, ranged(CONTENT))
    fetcher = Fetcher(name="tiny", advance=interrupt, tell=watcher.said.append)
    with pytest.raises(KeyboardInterrupt):
        fetcher.fetch_all([download])
    size = (downloads_folder("tiny") / "a.zip.part").stat().st_size
    assert size > 0
    assert fetch(watcher, download).read_bytes() == CONTENT
    assert server.asked("Range")[1] == f"bytes={size}-"


def test_a_server_that_ignores_ranges_starts_over(server: Site, watcher: Watcher) -> None:
    download = server.offer("/a.zip", CONTENT, whole(CONTENT, after=HALF), whole(CONTENT))
    assert fetch(watcher, download).read_bytes() == CONTENT
    assert watcher.bytes == len(CONTENT)


def test_a_server_that_always_breaks_off_at_the_same_place_is_given_up(
    server: Site, watcher: Watcher
) -> None:
    download = server.offer("/a.zip", CONTENT, whole(CONTENT, after=HALF))
    assert "30000 bytes before the end, 3 times in a row" in refusal(watcher, download)
    assert len(server.requests) == 3


@pytest.mark.parametrize("announced", [True, False])
def test_a_damaged_file_is_deleted(announced: bool, server: Site, watcher: Watcher) -> None:
    damaged = CONTENT[:-1] + b"?"
    behaviour = whole(damaged) if announced else unannounced(damaged)
    message = refusal(watcher, server.offer("/a.zip", CONTENT, behaviour))
    assert f"a.zip came damaged from {server.address}/a.zip, or was changed there" in message
    assert message.endswith("it is deleted; to fetch it again, repeat the command")
    assert left() == []
    assert len(server.requests) == 1


@pytest.mark.parametrize("conditional", [True, False])
def test_a_file_that_changed_between_tries_is_fetched_from_its_beginning(
    conditional: bool, server: Site, watcher: Watcher
) -> None:
    first = ranged(OTHER, after=HALF, etag='"old"')
    second = ranged(CONTENT, etag='"new"', conditional=conditional)
    assert fetch(watcher, server.offer("/a.zip", CONTENT, first, second)).read_bytes() == CONTENT
    assert watcher.bytes == len(CONTENT)


def test_a_mixture_that_no_header_betrays_is_deleted(server: Site, watcher: Watcher) -> None:
    download = server.offer("/a.zip", CONTENT, ranged(OTHER, after=HALF), ranged(CONTENT))
    assert "came damaged" in refusal(watcher, download)
    assert left() == []
    assert fetch(watcher, download).read_bytes() == CONTENT


def test_a_range_that_begins_elsewhere_is_not_taken(server: Site, watcher: Watcher) -> None:
    def elsewhere(handler: BaseHTTPRequestHandler) -> None:
        if handler.headers["Range"] is None:
            whole(CONTENT)(handler)
        else:
            send(handler, 206, 10, Content_Range=f"bytes 100-109/{len(CONTENT)}")
            handler.wfile.write(CONTENT[100:110])

    download = server.offer("/a.zip", CONTENT, ranged(CONTENT, after=HALF), elsewhere)
    assert fetch(watcher, download).read_bytes() == CONTENT


def test_all_of_a_file_is_found_to_be_here(server: Site, watcher: Watcher) -> None:
    download = server.offer("/a.zip", CONTENT, ranged(CONTENT))
    downloads_folder("tiny").mkdir(parents=True)
    (downloads_folder("tiny") / "a.zip.part").write_bytes(CONTENT)
    assert fetch(watcher, download).read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_more_than_there_is_of_a_file_is_thrown_away(server: Site, watcher: Watcher) -> None:
    download = server.offer("/a.zip", CONTENT, ranged(CONTENT))
    downloads_folder("tiny").mkdir(parents=True)
    (downloads_folder("tiny") / "a.zip.part").write_bytes(CONTENT + b"more")
    assert fetch(watcher, download).read_bytes() == CONTENT
    assert watcher.bytes == len(CONTENT)


def test_a_file_that_is_here_is_not_fetched_again(server: Site, watcher: Watcher) -> None:
    download = server.offer("/a.zip", CONTENT)
    fetch(watcher, download)
    assert fetch(watcher, download).read_bytes() == CONTENT
    assert len(server.requests) == 1
    assert watcher.bytes == 2 * len(CONTENT)


def test_another_file_of_that_name_is_replaced(server: Site, watcher: Watcher) -> None:
    download = server.offer("/a.zip", CONTENT)
    downloads_folder("tiny").mkdir(parents=True)
    (downloads_folder("tiny") / "a.zip").write_bytes(OTHER)
    assert fetch(watcher, download).read_bytes() == CONTENT
    assert "was not the official file, by its md5; it is fetched again" in watcher.said[0]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirections_are_followed(status: int, server: Site, watcher: Watcher) -> None:
    server.serve("/mirror/b", ranged(CONTENT, after=HALF), ranged(CONTENT))
    server.serve("/hop", moved("mirror/b"))
    download = server.offer("/a.zip", CONTENT, moved(f"{server.address}/hop", status))
    path = fetch(watcher, download)
    assert (path.name, path.read_bytes()) == ("a.zip", CONTENT)
    assert server.asked("Range")[-1] == f"bytes={HALF}-"


@pytest.mark.parametrize("scheme", ["file", "ftp", "data"])
def test_a_redirection_away_from_the_web_is_refused(
    scheme: str, server: Site, watcher: Watcher, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(CONTENT)
    target = f"{scheme}://{tmp_path}/secret"
    message = refusal(watcher, server.offer("/a.zip", CONTENT, moved(target)))
    assert f"it leads to {target}, which is no address of http or https; get the file" in message
    assert left() == []
    assert len(server.requests) == 1


def test_an_address_that_is_not_of_the_web_is_refused(watcher: Watcher, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(CONTENT)
    download = Download(url=f"file://{tmp_path}/a.zip", md5="", bytes=1)
    assert "which is no address of http or https" in refusal(watcher, download)


@pytest.mark.parametrize("target", ["/a.zip", "", "http://[half"])
def test_a_redirection_that_leads_nowhere_is_refused(
    target: str, server: Site, watcher: Watcher
) -> None:
    message = refusal(watcher, server.offer("/a.zip", CONTENT, moved(target)))
    assert "redirected more than 10 times" in message or "it leads to http://[half" in message


def test_a_slow_server_is_waited_for_and_its_progress_shown(server: Site, watcher: Watcher) -> None:
    download = server.offer("/a.zip", CONTENT, slowly(CONTENT, 10_000, 0.01))
    (path,) = watcher.fetcher(timeout=1).fetch_all([download])
    assert path.read_bytes() == CONTENT
    assert watcher.steps >= 4


def test_a_silent_server_is_given_up(server: Site, watcher: Watcher) -> None:
    download = server.offer("/a.zip", CONTENT, server.silent())
    with pytest.raises(DataError, match=r"the server was silent for 0\.03 s, 2 times in a row"):
        watcher.fetcher((0,), timeout=0.03).fetch_all([download])


def test_a_server_that_falls_silent_in_the_middle_is_asked_again(
    server: Site, watcher: Watcher
) -> None:
    download = server.offer("/a.zip", CONTENT, server.silent(CONTENT, HALF), ranged(CONTENT))
    (path,) = watcher.fetcher(timeout=0.1).fetch_all([download])
    assert path.read_bytes() == CONTENT
    assert server.asked("Range") == [None, f"bytes={HALF}-"]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_final(status: int, server: Site, watcher: Watcher) -> None:
    download = server.offer("/a.zip", CONTENT, refused(status))
    message = refusal(watcher, download)
    assert f"{server.address}/a.zip cannot be fetched: the server answers {status} " in message
    assert message.endswith("get the file by other means, and run: mlbench data add NAME FILE")
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_passing_failure_is_tried_again(status: int, server: Site, watcher: Watcher) -> None:
    download = server.offer("/a.zip", CONTENT, refused(status), whole(CONTENT))
    assert fetch(watcher, download).read_bytes() == CONTENT
    assert f"the server answers {status} " in watcher.said[0]


def test_a_refusal_in_the_middle_leaves_what_has_come(server: Site, watcher: Watcher) -> None:
    download = server.offer("/a.zip", CONTENT, ranged(CONTENT, after=HALF), refused(404))
    refusal(watcher, download)
    assert (downloads_folder("tiny") / "a.zip.part").read_bytes() == CONTENT[:HALF]


def test_an_answer_that_makes_no_sense_is_no_connection(server: Site, watcher: Watcher) -> None:
    def babble(handler: BaseHTTPRequestHandler) -> None:
        send(handler, 200, None, Transfer_Encoding="chunked")
        handler.wfile.write(b"many\r\nbytes")

    def stutter(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"what?\r\n\r\n")

    download = server.offer("/a.zip", CONTENT, babble, stutter, whole(CONTENT))
    assert fetch(watcher, download).read_bytes() == CONTENT
    assert all("no connection (" in words for words in watcher.said)


def test_no_server_at_all_is_said(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        download = Download(
            url=f"http://127.0.0.1:{unused.getsockname()[1]}/a.zip", md5="", bytes=1
        )
        message = refusal(watcher, download)
    assert "no connection (Connection refused), 3 times in a row; to go on" in message


def test_a_certificate_that_does_not_fit_is_not_tried_again() -> None:
    error = ssl.SSLCertVerificationError(1, "no")
    error.verify_message = "self-signed certificate"
    with pytest.raises(DataError, match=r"cannot be verified \(self-signed certificate\)"):  # noqa: SIM117
        with network(1):
            raise URLError(error)


@pytest.mark.parametrize("announced", [True, False])
def test_far_more_than_expected_is_not_taken(
    announced: bool, server: Site, watcher: Watcher
) -> None:
    flood = bytes(3 << 20)
    behaviour = whole(flood) if announced else unannounced(flood)
    message = refusal(watcher, server.offer("/a.zip", CONTENT, behaviour))
    assert "and a.zip has about 0.1 MB, so it is another file" in message
    assert left() == []


def test_a_second_process_is_refused(server: Site, watcher: Watcher) -> None:
    messages = []

    def meanwhile(count: int) -> None:
        if count:
            messages.append(refusal(Watcher(), download))

    download = server.offer("/a.zip", CONTENT)
    fetcher = Fetcher(name="tiny", advance=meanwhile, tell=watcher.said.append)
    assert fetcher.fetch_all([download])[0].read_bytes() == CONTENT
    assert "another process is downloading tiny to" in messages[0]
    assert len(server.requests) == 1


def test_the_disk_is_asked_first(
    server: Site, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    assert "where 1e-06 GB are free; make room" in refusal(watcher, server.offer("/a", CONTENT))
    assert server.requests == []


def test_a_disk_that_fills_up_is_said(
    server: Site, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    message = refusal(watcher, server.offer("/a.zip", CONTENT))
    assert f"cannot write to {downloads_folder('tiny')}: No space left on device" in message


def test_a_home_that_cannot_be_written_is_named(
    server: Site, watcher: Watcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLBENCH_DATA", str(tmp_path / "file" / "home"))
    assert "file/home/.downloads/tiny: Not a dir" in refusal(watcher, server.offer("/a", CONTENT))


def test_several_files_are_fetched_one_after_the_other(server: Site, watcher: Watcher) -> None:
    downloads = [server.offer("/a.zip", CONTENT), server.offer("/b.zip", OTHER)]
    paths = watcher.fetcher().fetch_all(downloads)
    assert [md5_of(path) for path in paths] == [each.md5 for each in downloads]
    assert watcher.bytes == len(CONTENT) + len(OTHER)
