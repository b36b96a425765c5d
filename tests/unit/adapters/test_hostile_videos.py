"""Strangers' videos get the verdict that is written beside them, in bounded memory, and kill no process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.hostile.videos import OddVideo, embedder, videos
from tests.videos import SCENES, video
from workers.adapters.media_frames import Frames
from workers.config import REPOSITORY
from workers.domain.media import InvalidMedia

VIDEOS = list(videos())
GREW_KIB = 200_000
"""A decoder of small frames, and tables of as many as are allowed."""


@pytest.fixture(scope="module")
def frames() -> Frames:
    """The embedder's own."""
    return embedder()


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.*")
@pytest.mark.parametrize("odd", VIDEOS, ids=lambda odd: odd.name)
def test_a_video_gets_its_verdict(odd: OddVideo, frames: Frames) -> None:
    """The times of its keyframes, or the reason it is refused for."""
    data = odd.make()
    if isinstance(odd.verdict, list):
        assert [frame.timestamp_ms for frame in frames(data)] == odd.verdict
        return
    with pytest.raises(InvalidMedia) as caught:
        frames(data)
    assert caught.value.reason == odd.verdict, caught.value.detail


@pytest.mark.parametrize("form", ["mp4", "fragments", "matroska"])
def test_a_video_cut_off_anywhere_is_what_is_left_of_it_or_is_refused(form: str, frames: Frames) -> None:
    """Every seventeenth byte: never more than the whole shows, never another error."""
    whole = video(SCENES[:4], form=form, options=(("g", "5"), ("keyint_min", "5")))
    all_times = [frame.timestamp_ms for frame in frames(whole)]
    assert all_times == [0, 1000, 2000, 3000]
    shown, reasons = [], set[str]()
    for cut in range(0, len(whole), 17):
        try:
            found = [frame.timestamp_ms for frame in frames(whole[:cut])]
        except InvalidMedia as error:
            reasons.add(error.reason)
            found = []
        assert all(at <= 3900 for at in found)
        shown.append(len(found))
    # The last two before it is said that it is a video, and of which codec.
    assert reasons <= {"media_corrupt", "media_type", "media_unsupported"}
    assert shown[0] == 0
    half = shown[len(shown) // 2]
    # An MP4 that is not in fragments has its tables at its end.
    assert half == 0 if form == "mp4" else 1 <= half <= 3
    assert shown[-1] >= 3


def test_damaged_videos_kill_no_process_and_take_bounded_memory() -> None:
    """Four hundred of them, of every codec and container, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.hostile.videos", "400", "5"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, (ended.returncode, ended.stderr[-2000:])
    verdicts, grew = ended.stdout.splitlines()
    assert "media_corrupt" in verdicts
    assert "keyframes" in verdicts
    assert int(grew) < GREW_KIB
