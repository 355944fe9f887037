"""A headless Chromium, driven over its DevTools pipe: the standard library is enough for that."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--no-first-run",
    "--no-default-browser-check",
    "--remote-debugging-pipe",
)
START = """
import fcntl, os, sys
# Neither end may sit on a number that the browser expects: both go out of the way first.
commands, answers = (fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3])
os.dup2(commands, 3)
os.dup2(answers, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
PATIENCE = 60.0


class Chromium:
    """One page of a browser, with everything that it complains of and fetches.

    Args:
        process: The browser.
        commands: Descriptor to write to.
        answers: Descriptor to read from.
    """

    def __init__(self, process: subprocess.Popen[bytes], commands: int, answers: int) -> None:
        self.process = process
        self.commands = commands
        self.answers = answers
        self.unread = b""
        self.number = 0
        self.session: str | None = None
        self.complaints: list[str] = []
        self.warnings: list[str] = []
        self.fetched: list[str] = []
        self.levels = {
            "error": self.complaints,
            "assert": self.complaints,
            "warning": self.warnings,
        }

    def attach(self) -> Self:
        """Open a page and listen to what happens on it."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer to a command."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.commands, data) :]
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self.receive(deadline)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def receive(self, deadline: float) -> dict[str, Any]:
        """Return the next message; what a page complains of is kept."""
        while b"\0" not in self.unread:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.answers], [], [], max(0.0, left))
            data = os.read(self.answers, 1 << 20) if ready else b""
            if not data:
                raise TimeoutError("Chromium does not answer")
            self.unread += data
        text, _, self.unread = self.unread.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        self.note(message.get("method", ""), message.get("params", {}))
        return message

    def note(self, event: str, told: dict[str, Any]) -> None:
        """Keep what is wrong with a page, and what it fetches."""
        if event == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(told["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and told["type"] in self.levels:
            self.levels[told["type"]].append(json.dumps(told["args"]))
        elif event == "Log.entryAdded" and told["entry"]["level"] in self.levels:
            self.levels[told["entry"]["level"]].append(json.dumps(told["entry"]))
        elif event == "Network.requestWillBeSent":
            self.fetched.append(told["request"]["url"])

    def open(self, path: Path, *, script: bool = True) -> None:
        """Load a page, and wait until its charts are drawn if scripts may run."""
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        self.call("Page.navigate", url=path.resolve().as_uri())
        done = "document.readyState === 'complete'"
        if script:
            done += " && 'drawn' in document.documentElement.dataset"
        self.wait(lambda: bool(self.value(done)), f"{path} to be drawn")

    def wait(self, reached: Callable[[], bool], what: str) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + PATIENCE
        while not reached():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited in vain for {what}: {self.complaints}")
            self.call("Runtime.evaluate", expression="1")

    def value(self, expression: str) -> Any:
        """Return the value of an expression on the page."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def width(self, pixels: int, height: int = 800) -> None:
        """Give the page a screen of this size, as a phone has one below 500."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=pixels,
            height=height,
            deviceScaleFactor=1,
            mobile=pixels < 500,
        )

    def media(self, kind: str = "", **features: str) -> None:
        """Pretend to be ``print``, or to prefer the colour scheme ``dark``."""
        wanted = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        self.call("Emulation.setEmulatedMedia", media=kind, features=wanted)

    def key(self, name: str) -> None:
        """Press a key."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27}
        text = {"text": "\r"} if name == "Enter" else {}
        shared = {"key": name, "code": name, "windowsVirtualKeyCode": codes[name]}
        self.call("Input.dispatchKeyEvent", type="keyDown", **shared, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **shared)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write what is seen as PNG."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def pdf(self, path: Path) -> None:
        """Print the page."""
        answer = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        path.write_bytes(base64.b64decode(answer["data"]))


def find() -> str | None:
    """Return the path of a Chromium, or ``None``."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium(profile: Path) -> Iterator[Chromium]:
    """Start a browser with a profile of its own; it is gone afterwards."""
    program = find()
    assert program is not None
    inward, commands = os.pipe()
    answers, outward = os.pipe()
    line = [program, *SWITCHES, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
        [sys.executable, "-c", START, str(inward), str(outward), *line],
        pass_fds=(inward, outward),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(inward)
    os.close(outward)
    browser = Chromium(process, commands, answers)
    try:
        yield browser.attach()
    finally:
        browser.session = None
        try:
            browser.call("Browser.close")
            process.wait(10)
        except (OSError, RuntimeError, TimeoutError, subprocess.TimeoutExpired):
            os.killpg(process.pid, 9)
            process.wait()
        os.close(commands)
        os.close(answers)
