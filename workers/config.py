"""Settings: the only reader of the environment.

Every setting is ``STREAMSCOUT_<NAME>``. Addresses that are not set come from what ``streamscout up`` wrote to
``<data_dir>/stack.json``. A wrong setting stops the start with its name.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from workers.domain.media import MOST_KEYFRAMES

REPOSITORY = Path(__file__).resolve().parent.parent
STACK_FILE = "stack.json"
ERASURE_KEY_FILE = "erasure.key"
LOOPBACK_HOSTS = "127.0.0.1,localhost,::1"
SERVERS_INHERIT = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "TMPDIR", "TZ", "USER")
ADDRESSES = ("kafka_bootstrap", "schema_registry_url", "weaviate_url", "weaviate_grpc", "triton_url")


def _absolute(path: Path) -> Path:
    """Workers are started elsewhere than the command that starts them: a relative path would name another folder."""
    return path.expanduser().resolve()


def _without_login(url: str) -> str:
    """An address is printed and logged: what lets in has settings of its own."""
    if "@" in urlsplit(url).netloc:
        raise ValueError("no user or password in an address: they have settings of their own")
    return url


Directory = Annotated[Path, AfterValidator(_absolute)]
Address = Annotated[str, AfterValidator(_without_login)]
SECRETS = ("kafka_sasl_password", "kafka_key_password", "schema_registry_password", "weaviate_api_key", "api_key")
"""Each can be in a file instead, named by ``<setting>_file``: what a secret's mount is in Kubernetes."""


class SettingsError(Exception):
    """A setting is missing or wrong."""


class Settings(BaseSettings):
    """Frozen, printed at start with secrets masked. The comment above each group says who reads it."""

    model_config = SettingsConfigDict(env_prefix="STREAMSCOUT_", frozen=True, extra="ignore", validate_default=True)

    # Servers: an address given here is used as it is, and `up` never starts that server.
    kafka_bootstrap: str | None = Field(None, description="Kafka's bootstrap servers, host:port[,host:port]")
    schema_registry_url: Address | None = Field(
        None, description="Confluent-compatible registry; without one, values are JSON"
    )
    weaviate_url: Address | None = Field(None, description="Weaviate's REST address, http://host:port")
    weaviate_grpc: str | None = Field(None, description="Weaviate's gRPC address, host:port")
    triton_url: Address | None = Field(None, description="Triton's HTTP address, http://host:port")

    # What lets in: see workers/adapters/security.py. A secret is set, or lies in the file that is set.
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How Kafka is spoken to: in clear or by TLS, with or without SASL"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL's mechanism"
    )
    kafka_sasl_username: str | None = Field(None, description="User at Kafka")
    kafka_sasl_password: SecretStr | None = Field(None, description="Password at Kafka")
    kafka_sasl_password_file: Directory | None = Field(None, description="File of the same, in place of it")
    kafka_ca_file: Directory | None = Field(
        None, description="Authorities that vouch for Kafka (PEM); the system's where it is not set"
    )
    kafka_certificate_file: Directory | None = Field(None, description="Our certificate for Kafka (PEM)")
    kafka_key_file: Directory | None = Field(None, description="Key of our certificate for Kafka (PEM)")
    kafka_key_password: SecretStr | None = Field(None, description="Password of that key")
    kafka_key_password_file: Directory | None = Field(None, description="File of the same, in place of it")
    schema_registry_username: str | None = Field(None, description="User at the schema registry")
    schema_registry_password: SecretStr | None = Field(None, description="Password at the schema registry")
    schema_registry_password_file: Directory | None = Field(None, description="File of the same, in place of it")
    schema_registry_ca_file: Directory | None = Field(
        None, description="Authorities that vouch for the schema registry (PEM)"
    )
    weaviate_api_key: SecretStr | None = Field(None, description="Weaviate's API key")
    weaviate_api_key_file: Directory | None = Field(None, description="File of the same, in place of it")
    weaviate_ca_file: Directory | None = Field(None, description="Authorities that vouch for Weaviate (PEM)")
    triton_ca_file: Directory | None = Field(None, description="Authorities that vouch for Triton (PEM)")

    # Where things lie.
    data_dir: Directory = Field(Path(".streamscout"), description="State of the local stack and of the workers")
    cache_dir: Directory = Field(
        Path.home() / ".cache" / "streamscout", description="Servers' programs, shared by checkouts"
    )
    model_repository: Directory = Field(
        REPOSITORY / "triton_models", description="Triton's model repository and its card"
    )
    schemas_dir: Directory = Field(REPOSITORY / "schemas", description="Topics, collections and Avro schemas")
    namespace: Annotated[str, Field(pattern=r"^([a-z][a-z0-9]{0,30})?$")] = Field(
        "", description="Prefix of topics, groups and collections, so that environments can share servers"
    )

    # The consumer loop: every worker that reads with confluent-kafka.
    batch_size: int = Field(32, ge=1, le=1000, description="Items in a batch at most")
    batch_seconds: float = Field(0.02, gt=0, le=10, description="Longest wait for a batch, from its first item")
    queue_size: int = Field(256, ge=1, description="Items fetched ahead at most")
    batches_in_flight: int = Field(
        4, ge=1, le=64, description="Batches handled at once at most; of backfill one fewer (one at least), beside them"
    )
    live_lag_seconds: float = Field(1.0, gt=0, description="Backfill waits while a live event waits longer than so")
    session_timeout_ms: int = Field(10_000, ge=1000, description="Kafka's session timeout; a lease is half of it")
    group_protocol: Literal["classic", "consumer"] = Field(
        "classic", description="Kafka's group protocol: classic, or consumer (KIP-848); Faust's workers speak classic"
    )
    group_assignor: Literal["range", "cooperative-sticky"] = Field(
        "range", description="Who gets which partition under the classic protocol; workers of several topics need range"
    )
    group_instance_id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,200}$")] | None = Field(
        None, description="Static membership: a name that this process alone has, and keeps when it is started again"
    )
    open_items: int = Field(
        1000, ge=1, description="Items that are stored and not final at most; of more, the oldest are made final early"
    )
    shutdown_seconds: float = Field(20.0, gt=0, description="Deadline shared by revocation and shutdown")
    retry_seconds: float = Field(1.0, gt=0, description="First pause after a busy or absent server")
    retry_max_seconds: float = Field(15.0, gt=0, description="Longest pause after a busy or absent server")
    retry_topic_seconds: float = Field(
        5.0, gt=0, description="Wait for a stranger's host from which an event goes through the retry topic"
    )
    breaker_window: int = Field(500, ge=1, description="Verdicts over which the share of dead letters is counted")
    breaker_share: float = Field(
        0.5, ge=0, le=1, description="Share of dead letters beyond which a worker pauses; 1 is never"
    )
    breaker_least: int = Field(100, ge=1, description="Verdicts before a worker may pause over dead letters")
    breaker_seconds: float = Field(60.0, gt=0, description="Pause before a few events are let through to see")

    # Media: the embedder and the match API.
    media_root: Directory | None = Field(None, description="The one directory from which file URLs may be read")
    media_max_bytes: int = Field(20_000_000, ge=1024, description="Bytes of one picture at most")
    media_max_pixels: int = Field(50_000_000, ge=4096, description="Pixels of one picture at most")
    media_pixels_at_once: int = Field(100_000_000, ge=4096, description="Pixels being decoded at once at most")
    media_max_video_bytes: int = Field(100_000_000, ge=1024, description="Bytes of one video at most")
    media_videos_at_once: int = Field(
        2, ge=1, description="Videos of more than STREAMSCOUT_MEDIA_MAX_BYTES in memory at once at most"
    )
    media_max_video_seconds: float = Field(3600.0, gt=0, description="How long a video may last at most")
    media_max_video_frames: int = Field(300_000, ge=1, description="Frames of one video at most")
    media_max_frame_pixels: int = Field(9_000_000, ge=4096, description="Pixels of a video's frame at most")
    media_video_pixels: int = Field(
        2_000_000_000, ge=4096, description="Pixels decoded at most to find the keyframes of what moves"
    )
    media_decode_seconds: float = Field(30.0, gt=0, description="Processor time for decoding what moves at most")
    media_keyframes: int = Field(MOST_KEYFRAMES, ge=1, le=MOST_KEYFRAMES, description="Keyframes of one medium at most")
    media_first_byte_seconds: float = Field(5.0, gt=0, description="Time until a picture's host answers at most")
    media_seconds: float = Field(10.0, gt=0, description="Time for one download at most, redirects included")
    media_video_download_seconds: float = Field(
        60.0, gt=0, description="Time for the rest of one download at most, once it is a video and large"
    )
    media_max_redirects: int = Field(5, ge=0, le=20, description="Redirects followed at most")
    media_concurrency: int = Field(16, ge=1, description="Downloads at once at most")
    media_host_concurrency: int = Field(6, ge=1, description="Downloads at once from one host at most")
    media_host_rate: float = Field(50.0, gt=0, description="Requests a second to one host at most")
    media_line_seconds: float = Field(5.0, gt=0, description="Longest wait for a host's turn before a post comes later")
    media_retry_after_seconds: float = Field(
        3600.0, ge=0, le=3600, description="Longest Retry-After of a host that is honoured"
    )
    media_attempts: int = Field(3, ge=1, description="Attempts at a post whose pictures a busy host withholds")
    media_private_hosts: bool = Field(False, description="Whether pictures may come from private and loopback hosts")

    vector_cache_bytes: int = Field(
        8 << 20, ge=0, description="Memory for vectors of pictures and texts that may come again, in an embedder"
    )

    # Creators: the fold (shared/representation.md).
    fold_facets: int = Field(8, ge=1, le=64, description="Facets of a creator at most (K)")
    fold_join: float = Field(0.35, ge=-1, le=1, description="Cosine from which a post joins a facet")
    fold_half_life_days: float = Field(60.0, gt=0, description="Half-life of a post's weight")
    fold_window: int = Field(256, ge=2, description="Posts in half a window (P)")
    fold_caption: float = Field(0.5, ge=0, le=1, description="Weight of the caption against the visuals")
    fold_duplicate: float = Field(
        0.25, gt=0, le=1, description="Weight of a post that only shows again what earlier posts of its creator showed"
    )
    safety_tail: float = Field(
        0.05, gt=0, le=1, description="Part of a creator's output, the worst, over which a safety score is the mean"
    )
    fold_cache_bytes: int = Field(
        1 << 29, ge=0, description="Memory for folds of creators in a creators process; beyond it rows are read again"
    )
    landmark: AwareDatetime = Field(
        datetime(2024, 1, 1, tzinfo=UTC), description="Landmark of all forward decay; never change"
    )

    # The indexer: what of a change is written at once, and what once a creator is quiet.
    indexer_batch_size: int = Field(64, ge=1, le=1000, description="Creators in a batch of the indexer at most")
    indexer_batches_in_flight: int = Field(8, ge=1, le=64, description="Batches of the indexer handled at once at most")
    indexer_moved: float = Field(
        0.01, ge=0, le=1, description="Cosine distance from what is stored up to which a vector waits for settling"
    )
    indexer_share: float = Field(0.05, ge=0, le=1, description="Change of a facet's share that waits for settling")
    indexer_safety: float = Field(
        0.02, ge=0, le=1, description="Change of a safety score, as facets filter by it, that waits for settling"
    )
    indexer_settle_seconds: float = Field(
        30.0, ge=0, le=3600, description="Quiet of a creator after which exact values are written; 0: always at once"
    )
    indexer_creators: int = Field(
        2000, ge=1, description="Creators of whom an indexer remembers what it stored; of others it reads it back"
    )

    # Outcomes and matching.
    signal_half_life_days: float = Field(90.0, gt=0, le=36_500, description="Half-life of an outcome's weight")
    share_temperature: float = Field(0.10, gt=0, description="Temperature of the share-weighted score")
    facet_min_share: float = Field(0.02, ge=0, lt=1, description="Facets under this share are not searchable")
    prior_clicks_per_impression: float = Field(0.01, gt=0, lt=1, description="Mean of the constant prior on clicks")
    prior_conversions_per_click: float = Field(
        0.02, gt=0, lt=1, description="Mean of the constant prior on conversions"
    )
    prior_strength: float = Field(5000.0, gt=0, description="Weight of the constant prior, in impressions")

    # Dead letters: the command line.
    dead_replays: int = Field(3, ge=1, description="Replays of one dead letter before it takes --force")

    # Every process.
    api_host: str = Field("127.0.0.1", description="Address of the match API")
    api_port: int = Field(0, ge=0, le=65535, description="Port of the match API; 0 takes a free one")
    api_keys_file: Directory | None = Field(None, description="File of API keys, as `streamscout keys` writes it")
    api_anonymous: Literal["nothing", "search", "everything"] = Field(
        "nothing", description="What the API opens to callers without a key"
    )
    api_key: SecretStr | None = Field(None, description="The key that `search`, `match` and other commands show")
    api_key_file: Directory | None = Field(None, description="File of the same, in place of it")
    api_rate_per_second: float = Field(
        50.0, gt=0, description="Requests a second of one key or address, in the long run"
    )
    api_burst: int = Field(200, ge=1, description="Requests of one key or address at once at most")
    api_max_body_bytes: int = Field(8_000_000, ge=1024, description="Bytes of a JSON request at most")
    health_host: str = Field("127.0.0.1", description="Address of a worker's health and metrics")
    health_port: int = Field(0, ge=0, le=65535, description="Port of a worker's health and metrics; 0 takes a free one")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level logged")
    log_json: bool = Field(False, description="Log as JSON lines")
    erasure_key: SecretStr | None = Field(
        None, description="Secret under which erased creators' ids are hashed, 16 bytes or more; never change"
    )
    erasure_key_file: Directory | None = Field(None, description="File of the same, in place of it")

    def required(self, *names: str) -> None:
        """Raise SettingsError naming each of ``names`` that is not set."""
        missing = [f"STREAMSCOUT_{name.upper()}" for name in names if getattr(self, name) is None]
        if missing:
            raise SettingsError(f"not set: {', '.join(missing)} (set it, or run `streamscout up`)")

    def erasure_secret(self) -> bytes:
        """The erasure key: as set, from its file, or that which ``up`` made for a local stack. Raises SettingsError."""
        if self.erasure_key is not None:
            return self.erasure_key.get_secret_value().encode()
        path = self.erasure_key_file or self.data_dir / ERASURE_KEY_FILE
        try:
            return path.read_bytes().strip()
        except OSError as error:
            if self.erasure_key_file is not None:
                raise SettingsError(f"STREAMSCOUT_ERASURE_KEY_FILE: {path}: {error.strerror}") from error
            names = "STREAMSCOUT_ERASURE_KEY or STREAMSCOUT_ERASURE_KEY_FILE"
            raise SettingsError(f"not set: {names} (set one, or run `streamscout up`)") from error

    def masked(self) -> dict[str, Any]:
        """Every setting as printed at start: secrets as stars."""
        return self.model_dump(mode="json")


def load_settings(**overrides: Any) -> Settings:
    """Settings from the arguments, then the environment, then what ``up`` wrote. Raises SettingsError."""
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        lines = [f"STREAMSCOUT_{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise SettingsError("; ".join(lines)) from error
    unknown = sorted(
        name
        for name in os.environ
        if name.startswith("STREAMSCOUT_") and name.removeprefix("STREAMSCOUT_").lower() not in Settings.model_fields
    )
    if unknown:
        raise SettingsError(f"unknown settings: {', '.join(unknown)}")
    if wrong := contradictions(settings):
        raise SettingsError("; ".join(wrong))
    settings = settings.model_copy(update=_read_secrets(settings))
    stack = settings.data_dir / STACK_FILE
    if not stack.exists():
        return settings
    known = json.loads(stack.read_text()).get("addresses", {})
    filled = {name: known[name] for name in ADDRESSES if getattr(settings, name) is None and name in known}
    return settings.model_copy(update=filled)


def contradictions(settings: Settings) -> list[str]:
    """What is wrong with settings of which each by itself is right."""
    lines = [
        f"STREAMSCOUT_{name.upper()}: set, and its _FILE too; one of them"
        for name in (*SECRETS, "erasure_key")
        if getattr(settings, name) is not None and getattr(settings, f"{name}_file") is not None
    ]

    def given(name: str) -> bool:
        return getattr(settings, name) is not None or getattr(settings, f"{name}_file", None) is not None

    def needs(names: tuple[str, ...], wanted: bool, why: str) -> None:
        lines.extend(f"STREAMSCOUT_{name.upper()}: {why}" for name in names if given(name) is not wanted)

    sasl, tls = settings.kafka_security.startswith("SASL"), settings.kafka_security.endswith("SSL")
    how = f"STREAMSCOUT_KAFKA_SECURITY={settings.kafka_security}"
    needs(("kafka_sasl_username", "kafka_sasl_password"), sasl, f"{'needed' if sasl else 'of no use'} with {how}")
    if not tls:
        needs(("kafka_ca_file", "kafka_certificate_file", "kafka_key_file"), False, f"of no use with {how}")
    pairs = (
        ("kafka_certificate_file", "kafka_key_file"),
        ("schema_registry_username", "schema_registry_password"),
    )
    for one, other in pairs:
        if given(one) is not given(other):
            lines.append(f"STREAMSCOUT_{one.upper()} and STREAMSCOUT_{other.upper()}: both or neither")
    return lines


def _read_secrets(settings: Settings) -> dict[str, SecretStr]:
    """The secrets that lie in files. Raises SettingsError."""
    found = {}
    for name in SECRETS:
        path: Path | None = getattr(settings, f"{name}_file")
        if path is None:
            continue
        try:
            found[name] = SecretStr(path.read_text().strip())
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise SettingsError(f"STREAMSCOUT_{name.upper()}_FILE: {path}: {reason}") from error
        if not found[name].get_secret_value():
            raise SettingsError(f"STREAMSCOUT_{name.upper()}_FILE: {path} is empty")
    return found


def child_environment(settings: Settings, **extra: str) -> dict[str, str]:
    """The environment for a child process: this one, with ``settings`` as STREAMSCOUT_ variables, and ``extra``.

    A secret that lies in a file stays there: the child reads it itself.
    """
    in_files = {name for name in SECRETS if getattr(settings, f"{name}_file") is not None}
    own = {
        f"STREAMSCOUT_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name in settings.model_fields_set - in_files
        if (value := getattr(settings, name)) is not None
    }
    return {**os.environ, **own, **extra}


def server_environment(**extra: str) -> dict[str, str]:
    """The environment for a server that we start: of this one only what no server takes for an option, and ``extra``.

    A shell's JAVA_TOOL_OPTIONS, PYTHONHOME or CLUSTER_JOIN are meant for other programs, our own settings (and their
    secrets) for the workers.
    """
    return {**{name: os.environ[name] for name in SERVERS_INHERIT if name in os.environ}, **extra}


def spare_the_loopback() -> None:
    """No proxy of the environment for this machine: HTTP and gRPC clients would ask it for the local servers."""
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if given != "*":
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(filter(None, (given, LOOPBACK_HOSTS)))
