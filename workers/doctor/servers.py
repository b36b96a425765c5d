"""The servers that speak HTTP: schema registry, Weaviate and Triton."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx

from workers.adapters import security
from workers.adapters.weaviate.connection import grpc_address
from workers.adapters.weaviate.names import alias_name, collection_name
from workers.adapters.weaviate.schema import definition, differences, load_collections
from workers.config import Settings
from workers.doctor.findings import UNREACHABLE, Finding, doubtful, fine, wrong
from workers.domain.model_card import ModelCard, failed_check, load_model_card
from workers.stack import versions
from workers.stack.ports import connects
from workers.stack.schemas import read_schemas

SECONDS = 5.0
SKEW_SECONDS = 5.0
UP = "run `streamscout up`"


def examine_registry(settings: Settings) -> Sequence[Finding]:
    """The schema registry and our schemas in it."""
    name = "registry"
    if settings.schema_registry_url is None:
        return [doubtful(name, "no address: values are JSON", f"{UP}, or set STREAMSCOUT_SCHEMA_REGISTRY_URL")]
    with _client(settings, "schema_registry", security.registry_login(settings)) as client:
        if isinstance(there := _asked(client, "/subjects", name, "SCHEMA_REGISTRY"), Finding):
            return [there]
        found = [fine(name, f"answers at {settings.schema_registry_url}")]
        registered = set(there.json())
        for subject, texts in read_schemas(settings.schemas_dir).items():
            if subject not in registered:
                found.append(wrong(name, f"{subject}: not registered", f"{UP}, which registers it"))
                continue
            body = {"schema": texts[-1]}
            if client.post(f"/subjects/{subject}", json=body).is_success:
                continue
            answer = client.post(f"/compatibility/subjects/{subject}/versions/latest", json=body)
            if answer.is_success and answer.json().get("is_compatible"):
                found.append(
                    doubtful(name, f"{subject}: an older version is registered", f"{UP}, which registers ours")
                )
            else:
                do = "register a compatible schema: events of the one there cannot be read by ours"
                found.append(wrong(name, f"{subject}: not compatible with what is registered", do))
    return found


def examine_weaviate(settings: Settings) -> Sequence[Finding]:
    """Weaviate, its collections and aliases, and the clock against its."""
    name = "weaviate"
    if settings.weaviate_url is None:
        return [wrong(name, "no address", f"{UP}, or set STREAMSCOUT_WEAVIATE_URL", UNREACHABLE)]
    key = security.secret(settings, "weaviate_api_key")
    with _client(settings, "weaviate") as client:
        client.headers.update({"Authorization": f"Bearer {key}"} if key else {})
        if isinstance(meta := _asked(client, "/v1/meta", name, "WEAVIATE"), Finding):
            return [meta]
        host, port = grpc_address(settings)
        reached = connects(f"{host}:{port}")
        found = [
            judge_version(name, meta.json().get("version"), versions.WEAVIATE),
            fine(name, f"gRPC accepts connections at {host}:{port}")
            if reached
            else wrong(name, f"no gRPC at {host}:{port}", "correct STREAMSCOUT_WEAVIATE_GRPC", UNREACHABLE),
            judge_clock(time.time(), meta.headers.get("date")),
        ]
        collections = {each["class"]: as_client(each) for each in client.get("/v1/schema").json().get("classes") or []}
        aliases = {each["alias"]: each["class"] for each in client.get("/v1/aliases").json().get("aliases") or []}
    return [*found, *judge_index(settings, load_model_card(settings.model_repository), collections, aliases)]


def as_client(collection: dict[str, Any]) -> dict[str, Any]:
    """A collection of the REST API as Weaviate's client gives it, which calls the distance otherwise."""
    for vector in collection.get("vectorConfig", {}).values():
        index = vector["vectorIndexConfig"]
        index["distanceMetric"] = index.get("distance")
    return collection


def judge_index(
    settings: Settings, card: ModelCard, collections: Mapping[str, dict[str, Any]], aliases: Mapping[str, str]
) -> Sequence[Finding]:
    """Collections and aliases by name against ``schemas/collections.yaml`` and the model that is served."""
    name, found = "index", []
    listed = load_collections(settings.schemas_dir)
    for collection, spec in listed.collections.items():
        full = collection_name(settings.namespace, collection, card.model_version)
        alias = alias_name(settings.namespace, collection)
        if full not in collections:
            found.append(wrong(name, f"collection {full}: missing", f"{UP}, which makes it"))
        else:
            wanted = definition(full, spec, listed.vectors, card.model_version, card.dimensions)
            do = "make the collection anew for this model version: Weaviate does not change these"
            found += [wrong(name, f"{full}: {line}", do) for line in differences(wanted, collections[full])]
        if alias not in aliases:
            found.append(wrong(name, f"alias {alias}: missing", f"{UP}, which points it at {full}"))
        elif aliases[alias] != full:
            what = f"alias {alias} points at {aliases[alias]}, the encoder's model is {card.model_version}"
            do = f"point it at {full}, or set STREAMSCOUT_MODEL_REPOSITORY to the model of the index"
            found.append(wrong(name, what, do))
    return found or [fine(name, f"{len(listed.collections)} collections and aliases of model {card.model_version}")]


def examine_triton(settings: Settings) -> Sequence[Finding]:
    """Triton and the models that it serves."""
    name = "triton"
    if settings.triton_url is None:
        return [wrong(name, "no address", f"{UP}, or set STREAMSCOUT_TRITON_URL", UNREACHABLE)]
    card = load_model_card(settings.model_repository)
    with _client(settings, "triton") as client:
        if isinstance(there := _asked(client, "/v2", name, "TRITON"), Finding):
            return [there]
        found = [judge_version(name, there.json().get("version"), versions.TRITON)]
        found += judge_last_check(settings.model_repository, card.model_version)
        for model in ("clip_image", "clip_text"):
            if not client.get(f"/v2/models/{model}/ready").is_success:
                do = "load it (`streamscout up` does), and see Triton's log for why it did not"
                found.append(wrong(name, f"model {model} is not ready", do))
                continue
            config = client.get(f"/v2/models/{model}/config").json()
            served = config.get("parameters", {}).get("model_version", {}).get("string_value", "")
            found.append(judge_model(model, served, card.model_version))
    return found


def judge_version(server: str, found: str | None, pinned: str) -> Finding:
    """A server's version against the one that is tested."""
    if found == pinned:
        return fine(server, f"version {found}, the tested one")
    do = f"read the release notes between the two, or run {pinned}"
    return doubtful(server, f"version {found or 'unknown'}; tested with {pinned}", do)


def judge_model(model: str, served: str, card: str) -> Finding:
    """The model version that is served against the card's."""
    if served == card:
        return fine("triton", f"{model} is ready, of model version {card}")
    do = "serve the repository of STREAMSCOUT_MODEL_REPOSITORY: vectors of two models do not compare"
    return wrong("triton", f"{model} serves model version {served or '(none)'}, the card says {card}", do)


def judge_last_check(repository: Path, version: str) -> list[Finding]:
    """A model that failed `streamscout model check`: what runs goes on with it, and nothing new starts."""
    if failures := failed_check(repository, version):
        what = f"{version} failed its last `streamscout model check`: {'; '.join(failures)}"
        return [wrong("triton", what, "stop the embedder and the API, and build the model anew or check it once more")]
    return []


def judge_clock(now: float, date: str | None) -> Finding:
    """Our clock against a server's Date header, which counts whole seconds."""
    if date is None:
        return doubtful("clock", "no server told its time", "compare the clocks by hand")
    skew = now - parsedate_to_datetime(date).timestamp()
    if abs(skew) <= SKEW_SECONDS:
        return fine("clock", f"within {SKEW_SECONDS:g} s of Weaviate's")
    what = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} Weaviate's"
    return doubtful("clock", what, "run a time service on both machines: freshness is measured by these clocks")


def _client(settings: Settings, server: str, login: tuple[str, str] | None = None) -> httpx.Client:
    trust = security.trusting(settings, f"{server}_ca_file")
    url = str(getattr(settings, f"{server}_url")).rstrip("/")
    url = url if "://" in url else f"http://{url}"
    return httpx.Client(base_url=url, timeout=SECONDS, auth=login, verify=trust, trust_env=False)


def _asked(client: httpx.Client, path: str, name: str, setting: str) -> httpx.Response | Finding:
    """The answer, or why there is none."""
    try:
        answer = client.get(path)
    except httpx.HTTPError as error:
        what = f"{client.base_url} does not answer: {type(error).__name__}"
        return wrong(name, what, f"start it ({UP}), or correct STREAMSCOUT_{setting}_URL", UNREACHABLE)
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        do = f"correct the credentials: the settings that begin with STREAMSCOUT_{setting}"
        return wrong(name, f"{client.base_url} lets nobody in with what it was shown ({answer.status_code})", do)
    try:
        answer.raise_for_status().json()
    except (httpx.HTTPError, json.JSONDecodeError):
        do = f"see its log, and whether STREAMSCOUT_{setting}_URL is its address"
        return wrong(name, f"{client.base_url} answers {answer.status_code}, not as expected", do, UNREACHABLE)
    return answer
