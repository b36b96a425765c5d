"""Weaviate over TLS with an API key: REST and gRPC, by an authority of our own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.authority import Authority
from tests.waiting import eventually
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.errors import StoreUnavailable
from workers.config import Settings, child_environment, load_settings
from workers.stack import processes
from workers.stack.collections import create_collections
from workers.stack.ports import LOOPBACK, choose_ports
from workers.stack.processes import tail
from workers.stack.weaviate import Weaviate, environment

KEY = "planted-api-key"


@pytest.fixture(scope="module")
def secured(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A throwaway Weaviate beside the shared one, whose program it uses."""
    folder = tmp_path_factory.mktemp("secure-weaviate")
    authority = Authority(folder)
    certificate, key = authority.issue("weaviate")
    recipe = Weaviate()
    ports = choose_ports(recipe.ports, {}, set())
    (folder / "key").write_text(f"{KEY}\n")
    settings = load_settings(
        data_dir=folder / "data",
        cache_dir=stack.cache_dir,
        weaviate_url=f"https://{LOOPBACK}:{ports['http']}",
        weaviate_grpc=f"{LOOPBACK}:{ports['grpc']}",
        weaviate_api_key_file=folder / "key",
        weaviate_ca_file=authority.file,
    )
    home = recipe.install(settings.cache_dir, lambda _: None)
    extra = {
        **environment(folder / "weaviate", ports),
        "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
        "AUTHENTICATION_APIKEY_ENABLED": "true",
        "AUTHENTICATION_APIKEY_ALLOWED_KEYS": KEY,
        "AUTHENTICATION_APIKEY_USERS": "worker",
        "GRPC_CERT_FILE": str(certificate),
        "GRPC_KEY_FILE": str(key),
    }
    tls = ["--scheme", "https", "--tls-host", LOOPBACK, "--tls-port", str(ports["http"])]
    process = processes.spawn(
        [str(home / "weaviate-server"), *tls, "--tls-certificate", str(certificate), "--tls-key", str(key)],
        env=child_environment(settings, **extra),
        cwd=folder,
        log=folder / "weaviate.log",
        pid_file=folder / "weaviate.pid",
    )
    address = {"weaviate_url": str(settings.weaviate_url), "weaviate_grpc": str(settings.weaviate_grpc)}
    try:
        eventually(lambda: recipe.ready(address, settings) or not process.alive(), 90, "the secured Weaviate")
        assert process.alive(), tail(folder / "weaviate.log")
        yield settings
    finally:
        recipe.stop(process)


async def test_collections_are_made_and_objects_found_by_rest_and_grpc(secured: Settings) -> None:
    """Both halves of the client trust the authority and show the key."""
    async with connect(secured) as client:
        await client.collections.create_from_dict({"class": "Probe", "vectorConfig": {}})
        probe = client.collections.use("Probe")
        await probe.data.insert({}, vector=[0.6, 0.8])
        assert len((await probe.query.fetch_objects(limit=5)).objects) == 1
        await client.collections.delete("Probe")


async def test_another_authority_is_not_believed(secured: Settings, tmp_path: Path) -> None:
    """A server that somebody else vouches for is as good as none."""
    other = secured.model_copy(update={"weaviate_ca_file": Authority(tmp_path).file})
    with pytest.raises(StoreUnavailable):
        async with connect(other):
            pass


@pytest.mark.parametrize("key", [KEY, "planted-wrong"])
def test_the_doctor_says_whether_the_key_lets_in(secured: Settings, key: str) -> None:
    """And shows neither the right one nor the wrong one."""
    create_collections(secured, "tinyclip", 4)
    given = load_settings(
        weaviate_url=secured.weaviate_url,
        weaviate_grpc=secured.weaviate_grpc,
        weaviate_ca_file=secured.weaviate_ca_file,
        weaviate_api_key=SecretStr(key),
        data_dir=secured.data_dir,
    )
    done = subprocess.run(
        [sys.executable, "-m", "workers", "doctor", "--json"],
        env=child_environment(given),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    found = [each for each in json.loads(done.stdout)["findings"] if each["check"] == "weaviate"]
    refused = [each for each in found if "lets nobody in" in each["what"]]
    assert bool(refused) is (key != KEY), found
    assert "planted" not in done.stdout + done.stderr
