"""A client that asks a page all the while, and remembers every answer."""

from __future__ import annotations

import threading
from typing import Self

import urllib3

PAUSE = 0.05
"""Seconds between two questions."""


class Asking:
    """Asks `http://ADDRESS/` every 50 ms, on a new connection each time."""

    def __init__(self, address: str) -> None:
        self.answers: list[str] = []
        """Each body, or `failed: ...`."""
        self._address = address
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def failed(self) -> list[str]:
        """What was not answered as it should be."""
        return [answer for answer in self.answers if answer.startswith("failed: ")]

    def _run(self) -> None:
        while not self._stop.wait(PAUSE):
            self.answers.append(self._answer())

    def _answer(self) -> str:
        try:
            with urllib3.PoolManager(retries=False, timeout=10) as pool:
                answer = pool.request("GET", f"http://{self._address}/", headers={"Connection": "close"})
        except urllib3.exceptions.HTTPError as error:
            return f"failed: {error}"
        text = answer.data.decode().strip()
        return text if answer.status == 200 else f"failed: {answer.status} {text}"
