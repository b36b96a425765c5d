"""Starting a worker again: after a law and after a kill, never after a wrong use, and not when told to stop."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from tests.waiting import eventually
from workers.process.supervision import Supervisor, pauses


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], list[str]]:
    """Makes a child: a script that knows, as ``life``, how often it was started before."""
    (tmp_path / "lives").write_text("")

    def make(body: str) -> list[str]:
        head = """
        import os, signal, sys, time
        lives = open("LIVES", "a+"); lives.seek(0); life = len(lives.read()); lives.write("x"); lives.close()
        """.replace("LIVES", str(tmp_path / "lives"))
        path = tmp_path / "child.py"
        path.write_text(dedent(head) + dedent(body))
        return [sys.executable, str(path)]

    return make


def lives(tmp_path: Path) -> int:
    """How often the child was started."""
    return len((tmp_path / "lives").read_text())


def test_what_ended_by_a_law_or_was_killed_is_started_again(script: Callable[[str], list[str]], tmp_path: Path) -> None:
    """Exit code 4, 3, an exception and SIGKILL are each followed by a start; a clean end is not."""
    command = script("""
        if life == 2: raise RuntimeError("a fault")
        if life == 3: os.kill(os.getpid(), signal.SIGKILL)
        sys.exit([4, 3, None, None, 0][life])
        """)
    assert Supervisor("child", command, 0.001, 0.002).run() == 0
    assert lives(tmp_path) == 5


def test_a_wrong_use_is_not_tried_again(script: Callable[[str], list[str]], tmp_path: Path) -> None:
    """Exit code 2 would come again for ever: it is passed on at once."""
    assert Supervisor("child", script("sys.exit(2)"), 0.001, 0.002).run() == 2
    assert lives(tmp_path) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_goes_to_the_child_whose_exit_code_is_ours(
    number: signal.Signals, script: Callable[[str], list[str]], tmp_path: Path
) -> None:
    """The child ends in its own way; even by a law it is not started again."""
    command = script(f"""
        signal.signal({int(number)}, lambda *_: sys.exit(4))
        open({str(tmp_path / "ready")!r}, "w").close()
        time.sleep(60)
        """)
    parent = supervising(command, 0.01)
    eventually((tmp_path / "ready").exists, message="the child runs")
    parent.send_signal(number)
    assert parent.wait(30) == 4
    assert lives(tmp_path) == 1


def test_a_signal_while_it_waits_ends_it_at_once(script: Callable[[str], list[str]], tmp_path: Path) -> None:
    """Between two lives there is nobody to pass the signal on to."""
    parent = supervising(script("sys.exit(4)"), 3600.0)
    eventually(lambda: lives(tmp_path) == 1, message="the child's first life")
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    eventually(lambda: not children.exists() or not children.read_text().strip(), message="its end")
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(30) == 4


def test_a_child_does_not_outlive_a_supervisor_that_is_killed(
    script: Callable[[str], list[str]], tmp_path: Path
) -> None:
    """kill -9 of the supervisor: the child gets SIGTERM and ends in its own way."""
    command = script(f"""
        def end(*_):
            open({str(tmp_path / "told")!r}, "w").close()
            sys.exit(0)
        signal.signal(signal.SIGTERM, end)
        open({str(tmp_path / "ready")!r}, "w").close()
        time.sleep(60)
        """)
    parent = supervising(command, 0.01)
    eventually((tmp_path / "ready").exists, message="the child runs")
    parent.kill()
    parent.wait(30)
    eventually((tmp_path / "told").exists, message="the child is told")
    assert lives(tmp_path) == 1


def supervising(command: list[str], pause: float) -> subprocess.Popen[bytes]:
    """A supervisor in a process of its own, as signals are a process's."""
    code = "import sys; from workers.process.supervision import Supervisor; "
    run = f"sys.exit(Supervisor('child', {command!r}, {pause}, {pause}).run())"
    return subprocess.Popen([sys.executable, "-c", code + run], env=dict(os.environ))


def test_pauses_double_up_to_the_longest_and_chance_takes_half_at_most() -> None:
    """Workers that one outage ended do not come back in step."""
    assert list(itertools.islice(pauses(1.0, 15.0, lambda: 1.0), 6)) == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    assert list(itertools.islice(pauses(1.0, 15.0, lambda: 0.0), 5)) == [0.5, 1.0, 2.0, 4.0, 7.5]
    assert next(itertools.islice(pauses(1.0, 15.0, lambda: 1.0), 5000, None)) == 15.0


def test_a_child_that_lived_long_begins_with_the_short_pause_again(
    script: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault a month after the last is no crash loop."""
    made: list[int] = []

    class Counted(Supervisor):
        def _pauses(self):  # type: ignore[no-untyped-def]
            made.append(1)
            return pauses(0.001, 0.001, lambda: 1.0)

    assert Counted("child", script("sys.exit(4 if life < 3 else 0)"), 0.001, 0.001).run() == 0
    assert len(made) == 4
