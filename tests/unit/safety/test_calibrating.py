"""`safety calibrate` and `check` without Triton: the file that is written, its revision, what stops it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.fakes.encoder import HashingEncoder
from tests.fakes.safety import calibration, prompts
from workers.__main__ import build_app
from workers.config import REPOSITORY
from workers.domain.media import InvalidMedia
from workers.domain.model_card import CARD_FILE, load_model_card
from workers.domain.safety.calibration import CALIBRATION_FILE, Calibration, disagreement, load_calibration
from workers.domain.safety.prompts import SafetyError
from workers.domain.safety.scoring import Content, load_scoring
from workers.domain.vectors import Array
from workers.safety.calibrating import Calibrating, next_revision, write_calibration
from workers.safety.fitting import Bars
from workers.safety.labels import Label
from workers.safety.main import farthest

BUNDLED = REPOSITORY / "triton_models"
CARD = load_model_card(BUNDLED)
LEAST = Bars(positives=2, things=2, negatives=2)


class PromptEncoder(HashingEncoder):
    """Texts that begin as a prompt does have its vector, nearly; a picture's is that of the text its bytes are."""

    async def encode_texts(self, texts: Sequence[str]) -> Array:
        exact = await super().encode_texts([text.split(" / ")[0] for text in texts])
        return exact + 0.02 * await super().encode_texts(texts)

    async def encode_images(self, pixels: Array) -> Array:
        return await self.encode_texts([bytes(row.ravel()).decode().strip() for row in pixels])


def prepare(data: bytes) -> Array:
    """Bytes as they are, to one length."""
    if data.startswith(b"broken"):
        raise InvalidMedia("media_corrupt", "cut off")
    return np.frombuffer(data.ljust(120), dtype=np.uint8)


def labels(folder: Path) -> list[Label]:
    """Ten pictures and ten texts of beer, as many of coffee."""
    beer, coffee = prompts().categories["alcohol"].prompts[0], prompts().neutral[2]
    found = []
    for number in range(10):
        for prompt in (beer, coffee):
            text = f"{prompt} / {number}"
            file = folder / f"{len(found)}.png"
            file.write_bytes(text.encode())
            part = "fit" if number % 2 else "held_out"
            about = {"holds": ("alcohol",) if prompt is beer else (), "part": part}
            found += [Label(image=file.name, **about), Label(text=text, **about)]  # type: ignore[arg-type]
    return found


def story(told: list[str] | None = None) -> Calibrating:
    """The story on fakes."""
    heard = told if told is not None else []
    encoder = PromptEncoder(CARD.dimensions)
    return Calibrating(
        encoder, prepare, CARD, prompts(), lambda what, done, total: heard.append(f"{what} {done}/{total}")
    )


async def made(folder: Path, revision: int = 1) -> Calibration:
    """The calibration of those labels."""
    return await story().run(labels(folder), folder, revision, LEAST, 0.05)


async def test_what_labels_show_is_told_and_the_rest_is_unknown(tmp_path: Path) -> None:
    """Both kinds, with the figures of what was held out."""
    found = await made(tmp_path)
    assert set(found.categories) == {"alcohol"}
    assert found.unknown["politics"] == "visual: no label shows it; caption: no label shows it"
    for fit in found.categories["alcohol"].kinds().values():
        assert (fit.positives, fit.negatives, fit.recall, fit.false_positives) == (5, 5, 1.0, 0)
    assert (found.base_rate, found.model_version) == (0.05, CARD.model_version)


async def test_the_file_scores_as_it_was_judged(tmp_path: Path) -> None:
    """Written beside the model and read by whoever scores: the prompts' vectors are in it."""
    path = write_calibration(await made(tmp_path), tmp_path)
    assert path.name == CALIBRATION_FILE
    assert disagreement(load_calibration(tmp_path) or calibration(), prompts(), CARD.model_version) == ""
    scoring = load_scoring(REPOSITORY / "schemas", tmp_path, CARD)
    beer, coffee = (
        (await story().prompt_vectors()).categories["alcohol"][0],
        (await story().prompt_vectors()).neutral[2],
    )
    (one, other) = scoring.posts([Content([[beer]]), Content([[coffee]])])
    assert one.post["alcohol"] > 0.5 > other.post["alcohol"]


async def test_prompts_that_are_encoded_again_are_the_same(tmp_path: Path) -> None:
    """The least cosine of any of them says whether the served model is the one that was calibrated."""
    one, two = await story().prompt_vectors(), await story().prompt_vectors()
    assert farthest(one, two) == pytest.approx(1.0)
    turned = dict(two.categories, drugs=np.roll(two.categories["drugs"], 1, axis=1))
    assert farthest(one, type(two)(two.neutral, turned, two.temperature)) < 0.5


async def test_each_calibration_has_a_higher_revision(tmp_path: Path) -> None:
    """Of two scorings of a post the greater stands."""
    assert next_revision(tmp_path) == 1
    write_calibration(await made(tmp_path, 7), tmp_path)
    assert next_revision(tmp_path) == 8
    (tmp_path / CALIBRATION_FILE).write_text("{")
    with pytest.raises(SafetyError, match="give one by --revision"):
        next_revision(tmp_path)


async def test_it_tells_how_far_it_is(tmp_path: Path) -> None:
    """Prompts, then pictures, then texts."""
    heard: list[str] = []
    await story(heard).run(labels(tmp_path), tmp_path, 1, LEAST, None)
    assert heard[0] == f"prompts {len(prompts().neutral)}/{len(prompts().neutral)}"
    assert heard[-2:] == ["pictures 20/20", "texts 20/20"]


@pytest.mark.parametrize(
    ("data", "said"), [(b"broken", "no picture that can be read: cut off"), (None, "cannot be read")]
)
async def test_a_picture_of_no_use_stops_it_by_name(tmp_path: Path, data: bytes | None, said: str) -> None:
    """A label that is passed over quietly would change the figures."""
    own = labels(tmp_path)
    (tmp_path / "0.png").unlink()
    if data is not None:
        (tmp_path / "0.png").write_bytes(data)
    with pytest.raises(SafetyError, match=r"0\.png") as refused:
        await story().run(own, tmp_path, 1, LEAST, None)
    assert said in str(refused.value)


def repository(folder: Path, **changes: object) -> dict[str, str]:
    """The environment of a repository with the bundled card and a calibration, changed so."""
    whole = calibration(dimensions=CARD.dimensions, model_version=CARD.model_version)
    (folder / CARD_FILE).write_bytes((BUNDLED / CARD_FILE).read_bytes())
    document = {**json.loads(whole.model_dump_json(exclude_none=True)), **changes}
    (folder / CALIBRATION_FILE).write_text(json.dumps(document))
    return {"STREAMSCOUT_MODEL_REPOSITORY": str(folder), "STREAMSCOUT_DATA_DIR": str(folder / "data")}


def test_check_shows_what_can_be_told_and_that_no_server_was_asked(tmp_path: Path) -> None:
    """As a table, and as JSON without the prompts' vectors."""
    environment = repository(tmp_path)
    shown = CliRunner().invoke(build_app(), ["safety", "check"], env={**environment, "COLUMNS": "200"})
    assert shown.exit_code == 0
    assert "1.00% (2 of 200)" in shown.output
    assert "no label shows it" in shown.output
    document = json.loads(CliRunner().invoke(build_app(), ["safety", "check", "--json"], env=environment).stdout)
    assert document["disagreement"] is None
    assert document["not_asked"] == "no Triton is set to encode the prompts with"
    assert set(document["calibration"]["categories"]) == {"alcohol", "weapons", "profanity"}
    assert "prompts" not in document["calibration"]


def test_check_says_what_does_not_agree_and_ends_with_1(tmp_path: Path) -> None:
    """The prompts have changed since."""
    environment = repository(tmp_path, prompts_digest="0" * 64)
    found = CliRunner().invoke(build_app(), ["safety", "check", "--json"], env=environment)
    assert found.exit_code == 1
    assert "say something else" in json.loads(found.stdout)["disagreement"]


def test_check_of_a_model_without_a_calibration_says_so(tmp_path: Path) -> None:
    """It is no fault."""
    environment = repository(tmp_path)
    (tmp_path / CALIBRATION_FILE).unlink()
    found = CliRunner().invoke(build_app(), ["safety", "check"], env=environment)
    assert found.exit_code == 0
    assert "every category is unknown" in found.output
