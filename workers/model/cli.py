"""``streamscout model build | list | check``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import orjson
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from workers.adapters.media_decode import Decoder, decode
from workers.adapters.security import trusting
from workers.config import REPOSITORY, Settings, load_settings
from workers.domain.media import InvalidMedia
from workers.domain.model_card import ModelCard, ModelCardError, changed_files, check_state, load_model_card, note_check
from workers.model import build as building
from workers.model.check import Row, check_against, check_alone
from workers.model.checkpoint import BrokenCheckpoint
from workers.model.folders import Pictures
from workers.model.measuring import OpenVinoMissing
from workers.model.source import (
    ModelsExtraMissing,
    OpenClip,
    UnknownModel,
    WeightsUnavailable,
    fetch_weights,
    load_open_clip,
)
from workers.model.tokenizer import UnsupportedTokenizer

_FAILED, _USAGE, _UNREACHABLE = 1, 2, 3
_PICTURES = 512
_MEASURED, _COMPARED = 32, 3
_REFUSED = (ModelsExtraMissing, OpenVinoMissing, UnknownModel, UnsupportedTokenizer, BrokenCheckpoint)

model_app = typer.Typer(no_args_is_help=True)

Pretrained = Annotated[str | None, typer.Option(help="Weights by open_clip's tag.")]
Checkpoint = Annotated[Path | None, typer.Option(help="Weights from a file.")]
Tokenizer = Annotated[
    Path | None, typer.Option(help="The tokenizer.json of a model whose tokenizer lies on a hub (SigLIP).")
]
Images = Annotated[Path | None, typer.Option(help="A folder of pictures.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@model_app.command("build")
def build_command(
    out: Annotated[Path, typer.Option(help="Where the model repository is written.")],
    name: Annotated[str | None, typer.Argument(help="The same as --model.")] = None,
    model: Annotated[str | None, typer.Option(help="open_clip's name of the model, say ViT-B-32.")] = None,
    pretrained: Pretrained = None,
    checkpoint: Checkpoint = None,
    licence: Annotated[str, typer.Option(help="The licence of the weights, for the card.")] = building.LICENCE_UNKNOWN,
    images: Images = None,
    captions: Annotated[Path | None, typer.Option(help="Captions, one a line, for the centring mean.")] = None,
    queries: Annotated[Path | None, typer.Option(help="Briefs, one a line, for the centring mean.")] = None,
    target: Annotated[str, typer.Option(help="cpu (OpenVINO), or gpu (float16 in Triton's own container).")] = "cpu",
    engine: Annotated[str, typer.Option(help="On a gpu: tensorrt, or torch where that cannot do.")] = "tensorrt",
    precision: Annotated[
        str,
        typer.Option(help="On a cpu: bf16 where the processor has it, f32, or auto: bf16 if it is measured to hold."),
    ] = "auto",
    threads: Annotated[int, typer.Option(help="OpenVINO's threads for each model; 0 means all.")] = 0,
    tokenizer: Tokenizer = None,
    json_: AsJson = False,
) -> None:
    """Turn an open_clip model and its weights into what Triton serves. Needs the [models] extra."""
    wanted = _one_name(name, model)
    serving = _serving(target, engine, precision, threads)
    if out.exists() and not out.is_dir():
        raise _stop(f"{out} is there and no folder: a model repository is one", _USAGE)
    if pretrained and checkpoint:
        raise _stop("the weights come by tag (--pretrained) or from a file (--checkpoint), not both", _USAGE)
    settings = load_settings()
    samples = building.Samples(_pictures(images, settings), _lines(captions), _lines(queries))
    measured = (samples.images or _sample_artwork(settings))[:_MEASURED]
    try:
        if pretrained:
            fetch_weights(wanted, pretrained)
        with _progress() as step:
            card = building.build(
                wanted, pretrained, checkpoint, out, samples, serving, licence, step, tokenizer, measured
            )
    except WeightsUnavailable as error:
        raise _stop(str(error), _UNREACHABLE) from error
    except _REFUSED as error:
        raise _stop(str(error), _USAGE) from error
    except OSError as error:
        raise _stop(f"{error.filename or out} cannot be written: {error.strerror or error}", _FAILED) from error
    for kind, given in (("--images", images), ("--captions", captions), ("--queries", queries)):
        if given is None:
            typer.echo(f"no {kind}: that kind is not centred, which costs quality between kinds", err=True)
    _print_card(card, out, json_)


@model_app.command("list")
def list_command(json_: AsJson = False) -> None:
    """Show the model of the model repository that is set."""
    settings = load_settings()
    _print_card(_card(settings), settings.model_repository, json_)


@model_app.command("check")
def check_command(
    images: Images = None,
    model: Annotated[str, typer.Option(help="open_clip's name of the model to hold against.")] = "",
    pretrained: Pretrained = None,
    checkpoint: Checkpoint = None,
    tokenizer: Tokenizer = None,
    json_: AsJson = False,
) -> None:
    """Hold the served model against its card and, with --pretrained or --checkpoint, against open_clip itself."""
    from workers.adapters.triton import EncoderRefused, EncoderUnavailable

    settings = load_settings()
    card = _card(settings)
    changed = changed_files(card, settings.model_repository)
    rows = [Row("files that differ from the card", float(len(changed)), 0.0, not changed)]
    weights = (model or card.name, pretrained, checkpoint, tokenizer)
    whole = bool(pretrained or checkpoint or ":" in weights[0])
    pictures = _pictures(images, settings)
    if whole and not pictures:
        pictures = _sample_artwork(settings)
    if whole and len(pictures) < _COMPARED:
        raise _stop(f"{len(pictures)} pictures to compare, {_COMPARED} or more are needed: give --images", _USAGE)
    try:
        source = load_open_clip(*weights) if whole else None
        rows += asyncio.run(_served(settings, card, pictures, source))
    except _REFUSED as error:
        raise _stop(str(error), _USAGE) from error
    except EncoderUnavailable as error:
        raise _stop(f"Triton cannot be reached: {error}", _UNREACHABLE) from error
    except EncoderRefused as error:
        raise _stop(str(error), _FAILED) from error
    _print_rows(rows, changed, json_)
    failures = [f"{row.name}: {row.value:.5f} where {row.bar:g} is wanted" for row in rows if not row.holds]
    # Without open_clip to hold it against, a check can find faults but clear nothing.
    if failures or source:
        note_check(settings.model_repository, card.model_version, failures, f"open_clip {weights[0]}")
    if failures:
        typer.echo(f"{card.model_version}: no worker and no `streamscout up` starts with it any more", err=True)
        raise typer.Exit(_FAILED)
    if not source:
        typer.echo("not held against open_clip: give its weights by --pretrained or --checkpoint", err=True)


async def _served(settings: Settings, card: ModelCard, pictures: Pictures, source: OpenClip | None) -> list[Row]:
    from workers.adapters.triton import EncoderUnavailable, TritonEncoder

    if not settings.triton_url:
        raise EncoderUnavailable("no address is set; start one with `streamscout up`")
    size = card.image.size
    prepare = Decoder(settings, card, settings.media_pixels_at_once)
    prepared = [prepare(file.read_bytes()) for file in pictures.files]
    pixels = np.array(prepared, dtype=np.uint8).reshape(-1, size, size, 3)
    async with TritonEncoder(settings.triton_url, card, tls=trusting(settings, "triton_ca_file")) as encoder:
        rows = await check_alone(encoder, pixels)
        return rows + (await check_against(encoder, source, pictures, pixels) if source else [])


def _serving(target: str, engine: str, precision: str, threads: int) -> building.Serving:
    """What was asked for, each by a name that there is."""
    for option, value, known in (
        ("target", target, ("cpu", "gpu")),
        ("engine", engine, ("tensorrt", "torch")),
        ("precision", precision, ("auto", "bf16", "f32")),
    ):
        if value not in known:
            raise _stop(f"{option} is {' or '.join(known)}, not {value!r}", _USAGE)
    return building.Serving(target, precision, threads, engine)  # type: ignore[arg-type]


def _sample_artwork(settings: Settings) -> Pictures:
    """The pictures of the demo, to measure with where none are given; none where they are not installed."""
    folder = REPOSITORY / "triton_models" / "sample_artwork"
    return Pictures(tuple(sorted(folder.glob("*.png"))[::6]), settings)


def _one_name(name: str | None, model: str | None) -> str:
    """The model's name, given once: --model is the documented way, the bare name an older one."""
    if name and model and name != model:
        raise _stop(f"two models are named, {name} and {model}: give one", _USAGE)
    if not (wanted := model or name):
        raise _stop("which model? give --model NAME, open_clip's name of it, say ViT-B-32", _USAGE)
    return wanted


def _card(settings: Settings) -> ModelCard:
    try:
        return load_model_card(settings.model_repository)
    except ModelCardError as error:
        raise _stop(str(error), _USAGE) from error


def _pictures(folder: Path | None, settings: Settings) -> Pictures:
    """Up to 512 pictures of a folder; what is no picture is named and left out."""
    if folder is None:
        return Pictures((), settings)
    if not folder.is_dir():
        raise _stop(f"{folder} is not a folder", _USAGE)
    found = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file())[:_PICTURES]:
        try:
            decode(file.read_bytes(), settings)
            found.append(file)
        except InvalidMedia as error:
            typer.echo(f"{file} is left out: {error.detail}", err=True)
        except OSError as error:
            typer.echo(f"{file} is left out: {error.strerror}", err=True)
    if not found:
        raise _stop(f"{folder} holds no picture that can be read", _USAGE)
    return Pictures(tuple(found), settings)


def _lines(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise _stop(f"{file} cannot be read: {error}", _USAGE) from error
    if not lines:
        raise _stop(f"{file} holds no line", _USAGE)
    return lines


@contextmanager
def _progress() -> Iterator[building.Step]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda text: bar.update(task, description=text)


def _stop(message: str, code: int) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(code)


def _check_of(card: ModelCard, where: Path) -> str:
    try:
        return check_state(where, card.model_version)
    except ModelCardError as error:
        return str(error)


def _print_card(card: ModelCard, where: Path, as_json: bool) -> None:
    shown: dict[str, Any] = {
        "name": card.name,
        "model_version": card.model_version,
        "dimensions": card.dimensions,
        "image_size": card.image.size,
        "interpolation": card.image.interpolation,
        "resize": f"{card.image.resize_mode}, {card.image.crop} crop",
        "context_length": card.text.context_length,
        "tokenizer": card.text.tokenizer,
        "tokenizer_kind": f"{card.text.kind}, cleaned: {card.text.cleaning}",
        "target": how.target if (how := card.served_as) else "not stated",
        "engine": how.engine if how else "not stated",
        "precision": f"{how.precision} (weights: {how.weights})" if how else "not stated",
        "precision_because": how.reason if how else "not stated",
        "check": _check_of(card, where),
        "logit_scale": card.logit_scale,
        "centred": [kind for kind, mean in card.centring_means if any(mean)],
        "licence": card.licence,
        "sources": list(card.sources),
        "repository": str(where),
        "bytes": sum((where / file).stat().st_size for file in card.checksums if (where / file).is_file()),
    }
    if as_json:
        typer.echo(orjson.dumps([shown], option=orjson.OPT_INDENT_2))
        return
    table = Table(show_header=False, box=None)
    for key, value in shown.items():
        table.add_row(key, "\n".join(value) if isinstance(value, list) else str(value))
    Console().print(table)


def _print_rows(rows: list[Row], changed: list[str], as_json: bool) -> None:
    if as_json:
        document = {"rows": [asdict(row) for row in rows], "changed": changed}
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
        return
    table = Table("check", "value", "bar", "holds")
    for row in rows:
        table.add_row(row.name, f"{row.value:.5f}", f"{row.bar:g}", "yes" if row.holds else "NO")
    Console().print(table)
    for file in changed:
        typer.echo(f"differs from the card: {file}", err=True)
