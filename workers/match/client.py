"""A client of the running API, for the command line and the demo."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx

from workers.match.ports import WORKER
from workers.wire.records import Unavailable

SECONDS = 60.0


class ApiUnavailable(Unavailable):
    """No API answers, or it says that a server behind it is gone."""


class ApiRefusedError(Exception):
    """The API understood and says no. ``status`` is HTTP's; ``problem`` the whole document."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or f"HTTP {status}"))
        self.status = status
        self.problem = problem


class ApiClient:
    """Calls one API; answers are its JSON. Raises ApiUnavailable and ApiRefusedError."""

    def __init__(self, url: str, key: str | None = None) -> None:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        # No proxy of the environment: the API is ours, often on the loopback.
        self._client = httpx.Client(base_url=url, timeout=SECONDS, trust_env=False, headers=headers)
        self.url = url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def search(self, text: str, **query: Any) -> dict[str, Any]:
        """``GET /v1/search``; a parameter of None is left out."""
        given = {name: value for name, value in query.items() if value is not None}
        return self.call("GET", "/v1/search", params={"q": text, **given})

    def match(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """``POST /v1/match``."""
        return self.call("POST", "/v1/match", json=body)

    def similar(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """``POST /v1/similar``."""
        return self.call("POST", "/v1/similar", json=body)

    def creator(self, creator_id: str, vectors: bool = False) -> dict[str, Any]:
        """``GET /v1/creators/{id}``."""
        return self.call("GET", f"/v1/creators/{quote(creator_id, safe='')}", params={"vectors": vectors})

    def post(self, post_id: str) -> dict[str, Any]:
        """``GET /v1/posts/{id}``."""
        return self.call("GET", f"/v1/posts/{quote(post_id, safe='')}")

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Any call."""
        try:
            answer = self._client.request(method, path, **options)
        except httpx.TransportError as error:
            raise ApiUnavailable(f"the match API at {self.url}: {type(error).__name__} {error}") from error
        if answer.is_success:
            found: dict[str, Any] = answer.json()
            return found
        is_problem = answer.headers.get("content-type") == "application/problem+json"
        problem: dict[str, Any] = answer.json() if is_problem else {"title": f"HTTP {answer.status_code}"}
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise ApiUnavailable(f"the match API at {self.url}: {problem.get('detail', problem['title'])}")
        raise ApiRefusedError(answer.status_code, problem)


def find_api(data_dir: Path) -> str:
    """The address of a match API that runs from this data directory; raises ApiUnavailable where there is none."""
    for url in _noted(data_dir):
        return url
    raise ApiUnavailable(f"no match API runs from {data_dir} (start one with `streamscout run match`, or give --api)")


def _noted(data_dir: Path) -> Iterator[str]:
    for note in sorted((data_dir / "workers").glob(f"{WORKER}-*.json"), key=lambda path: -path.stat().st_mtime):
        told = json.loads(note.read_text())
        if _runs(int(told["pid"])):
            yield str(told["health_url"])


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
