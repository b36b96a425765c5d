"""``<data_dir>/stack.json``: what ``up`` started, where it listens, and where its files lie."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from workers.config import STACK_FILE
from workers.stack.errors import StackError
from workers.stack.processes import Process, recorded


class Server(BaseModel):
    """One server that ``up`` started: its ports are kept when it stops, so that it comes back where it was."""

    version: str
    fingerprint: str
    ports: dict[str, int]
    addresses: dict[str, str]
    pid: int | None = None
    started: str | None = None


class Record(BaseModel):
    """The whole file. ``addresses`` is what the settings read: by setting name, of the servers that are up."""

    addresses: dict[str, str] = Field(default_factory=dict)
    servers: dict[str, Server] = Field(default_factory=dict)


class StackFiles:
    """The folder of one stack; every path in it is found here."""

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir.expanduser().resolve()
        self.stack = self.root / STACK_FILE
        self.lock = self.root / "up.lock"
        self.workers = self.root / "workers"
        self.tables = self.root / "faust"

    def log(self, server: str) -> Path:
        return self.root / "logs" / f"{server}.log"

    def data(self, server: str) -> Path:
        return self.root / "servers" / server

    def pid_file(self, server: str) -> Path:
        return self.root / "pids" / f"{server}.pid"

    def process(self, server: str) -> Process | None:
        """The server's live process, if ``up`` started one."""
        return recorded(self.pid_file(server))

    def load(self) -> Record:
        """The record; an empty one where there is no file. Raises StackError on a file that is not ours."""
        try:
            return Record.model_validate_json(self.stack.read_text())
        except FileNotFoundError:
            return Record()
        except ValidationError as error:
            raise StackError(f"{self.stack} cannot be read ({error.error_count()} errors): remove it") from error

    def save(self, record: Record) -> None:
        """Write the record whole: a reader sees the old file or the new one."""
        self.root.mkdir(parents=True, exist_ok=True)
        part = self.stack.with_suffix(".part")
        part.write_text(record.model_dump_json(indent=2) + "\n")
        part.replace(self.stack)
