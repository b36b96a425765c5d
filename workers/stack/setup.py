"""What ``up`` does once the servers are ready: each step idempotent, in order."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from workers.config import ERASURE_KEY_FILE, Settings
from workers.domain.model_card import ModelCardError, load_model_card
from workers.stack.errors import SetupError
from workers.stack.progress import Board
from workers.stack.schemas import register_schemas
from workers.stack.topics import create_topics


@dataclass(frozen=True)
class SetupStep:
    """A step is run where all settings that it ``needs`` are known; it answers with what it did, in words.

    ``shared``: what it makes does not carry the namespace, so that a second namespace need not make it again.
    """

    name: str
    needs: tuple[str, ...]
    run: Callable[[Settings], str]
    shared: bool = False


def collections_of_the_model(settings: Settings) -> str:
    """The collections of the model that the repository's card names. Raises SetupError where there is no card."""
    # The adapter brings Weaviate's whole client: a second, which `status` and `down` need not wait for.
    from workers.stack.collections import create_collections

    try:
        card = load_model_card(settings.model_repository)
    except ModelCardError as error:
        raise SetupError(str(error)) from error
    return create_collections(settings, card.model_version, card.dimensions)


def erasure_key(settings: Settings) -> str:
    """The secret of a local stack, readable by its owner alone; one that is there, or set, stays."""
    path = settings.data_dir / ERASURE_KEY_FILE
    if settings.erasure_key is not None or settings.erasure_key_file is not None:
        return "as set"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return "was there"
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    return "made"


SETUP_STEPS: list[SetupStep] = [
    SetupStep("erasure key", ("kafka_bootstrap",), erasure_key),
    SetupStep("topics", ("kafka_bootstrap",), create_topics),
    SetupStep("schemas", ("schema_registry_url",), register_schemas, shared=True),
    SetupStep("collections", ("weaviate_url", "triton_url"), collections_of_the_model),
]


def prepare_world(settings: Settings) -> None:
    """Make what a further namespace needs on servers that ``up`` has set up. Raises StackError."""
    for step in runnable(settings):
        if not step.shared:
            step.run(settings)


def runnable(settings: Settings) -> list[SetupStep]:
    """The steps whose servers are known, in order."""
    return [step for step in SETUP_STEPS if all(getattr(settings, need) for need in step.needs)]


def set_up(settings: Settings, board: Board) -> None:
    """Run every step whose servers are known. Raises StackError."""
    for step in runnable(settings):
        board.begin(step.name)("setting up")
        try:
            done = step.run(settings)
        except BaseException:
            board.end(step.name, "failed")
            raise
        board.end(step.name, done)
