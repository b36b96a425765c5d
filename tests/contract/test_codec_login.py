"""The codec at a registry that wants a login and speaks TLS by an authority of our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.authority import Authority
from tests.fakes.registry import FakeRegistry
from workers.adapters.registry import build_codec
from workers.config import Settings, SettingsError, load_settings
from workers.domain.events import PostRemoved
from workers.wire.cloudevents import RegistryUnavailable

REMOVED = PostRemoved(post_id="p", creator_id="c", revision=1)


def settings(registry: FakeRegistry, authority: Authority, folder: Path, password: str = "planted") -> Settings:
    """Settings that lead there, the password in a file."""
    (folder / "password").write_text(password)
    return load_settings(
        data_dir=folder,
        schema_registry_url=registry.url,
        schema_registry_username="me",
        schema_registry_password_file=folder / "password",
        schema_registry_ca_file=authority.file,
    )


def test_the_registry_lets_in_whoever_shows_the_password(tmp_path: Path) -> None:
    """An event goes out as Avro and comes back."""
    authority = Authority(tmp_path)
    with FakeRegistry("me:planted", authority.issue("registry")) as registry:
        codec = build_codec(settings(registry, authority, tmp_path))
        assert codec.decode(REMOVED.type_name(), codec.encode(REMOVED)) == REMOVED


def test_a_wrong_password_stops_the_start(tmp_path: Path) -> None:
    """By the setting's name, and not by the password."""
    authority = Authority(tmp_path)
    with FakeRegistry("me:planted", authority.issue("registry")) as registry:
        with pytest.raises(SettingsError, match=r"STREAMSCOUT_SCHEMA_REGISTRY_USERNAME: .*\(401\)") as refused:
            build_codec(settings(registry, authority, tmp_path, "planted-wrong"))
        assert "planted" not in str(refused.value)


def test_another_authority_is_not_believed(tmp_path: Path) -> None:
    """The registry is as good as gone."""
    (tmp_path / "other").mkdir()
    authority, other = Authority(tmp_path), Authority(tmp_path / "other")
    with FakeRegistry("me:planted", authority.issue("registry")) as registry, pytest.raises(RegistryUnavailable):
        build_codec(settings(registry, other, tmp_path))
