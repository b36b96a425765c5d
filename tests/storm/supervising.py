"""``python -m tests.storm.supervising COMMAND…``: the production supervisor around any command."""

from __future__ import annotations

import sys

from workers.config import load_settings
from workers.process.logs import configure_logging
from workers.process.supervision import Supervisor

if __name__ == "__main__":
    settings = load_settings()
    configure_logging(settings)
    command = [sys.executable, *sys.argv[1:]]
    sys.exit(Supervisor(sys.argv[-1], command, settings.retry_seconds, settings.retry_max_seconds).run())
