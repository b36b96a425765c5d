"""Logging: structlog, to standard error, one line per event."""

from __future__ import annotations

import logging
import sys

import structlog
from pydantic import SecretStr

from workers.config import Settings


def _masked(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Secrets as stars, whatever the value's type prints."""
    secret = ("password", "secret", "token", "api_key", "authorization")
    return {k: "**********" if isinstance(v, SecretStr) or k.lower().endswith(secret) else v for k, v in event.items()}


def configure_logging(settings: Settings) -> None:
    """Set up structlog and the standard library's logging (the libraries') the same way."""
    last = structlog.processors.JSONRenderer() if settings.log_json else structlog.dev.ConsoleRenderer(colors=False)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _masked,
    ]
    level = logging.getLevelNamesMapping()[settings.log_level]
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=last, foreign_pre_chain=shared))
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
