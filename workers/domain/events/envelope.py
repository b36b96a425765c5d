"""What every event has in common: its CloudEvents type and how it is validated."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

NAMESPACE = "io.streamscout"
VERSION = 1


class Record(BaseModel):
    """A value inside an event. Unknown fields are refused: a misspelt field must not be lost quietly."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64", validate_default=True
    )


class Event(Record):
    """Something that happened. The class name is its name on the wire.

    ``key_field`` names the field whose value is the Kafka key (see ``schemas/topics.yaml``).
    """

    key_field: ClassVar[str]

    @classmethod
    def type_name(cls) -> str:
        """The CloudEvents ``type`` and the Avro full name: ``io.streamscout.PostPublished``."""
        return f"{NAMESPACE}.{cls.__name__}"

    def key(self) -> str:
        """The Kafka key as text."""
        return str(getattr(self, self.key_field))
