"""What a person sees where there is no terminal."""

from __future__ import annotations

import io

from rich.console import Console

from workers.stack.progress import Board


def test_each_change_is_a_line_and_a_repetition_is_none() -> None:
    """A log file must not fill with the same words."""
    seen = io.StringIO()
    with Board(Console(file=seen, force_terminal=False)) as board:
        report = board.begin("kafka")
        report("starting")
        report("starting")
        board.end("kafka", "ready on 127.0.0.1:9")
    assert [line.partition(" (")[0] for line in seen.getvalue().splitlines()] == [
        "kafka: starting",
        "kafka: ready on 127.0.0.1:9",
    ]


def test_a_terminal_shows_a_row_per_server() -> None:
    """Redrawn in place."""
    seen = io.StringIO()
    with Board(Console(file=seen, force_terminal=True, width=80)) as board:
        board.begin("kafka")("starting")
        board.begin("weaviate")("compiling")
        board.end("kafka", "ready")
    assert "compiling" in seen.getvalue()
