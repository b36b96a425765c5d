"""The one place that pins the version of every server and of what fetches them."""

from __future__ import annotations

from typing import Final

KAFKA: Final = "4.3.1"
KAFKA_SCALA: Final = "2.13"
KAFKA_LOG4J: Final = "2.25.4"
SCHEMA_REGISTRY: Final = "3.3.3"
WEAVIATE: Final = "1.35.2"
TRITON: Final = "2.51.0"
PYTRITON: Final = "0.7.0"  # the wheel that holds this Triton

MAVEN_DEPENDENCY_PLUGIN: Final = "3.8.1"

JAVA_FOR_KAFKA: Final = 17
JAVA_FOR_SCHEMA_REGISTRY: Final = 21
GO_FOR_WEAVIATE: Final = (1, 24)

HELM: Final = "3.22.0"  # for the tests of the chart
