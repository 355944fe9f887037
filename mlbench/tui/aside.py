"""Work done aside, so that the keyboard is answered while it goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def aside(work: Callable[..., T], *arguments: object) -> T:
    """Return what ``work`` returns, or raise what it raises, having done it on a thread.

    The thread is a daemon: one that waits for a database keeps nobody from quitting, as those of
    asyncio's and of Textual's own would. If the caller is cancelled, the result is dropped.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = work(*arguments)
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # the app is gone, and with it whoever asked
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name=f"aside {work!r}", daemon=True).start()
    return await future
