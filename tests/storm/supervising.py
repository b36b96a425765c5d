"""``python -m tests.storm.supervising PARENT COMMAND…``: the production supervisor around any command.

It ends with PARENT, the process that starts it: a storm that is killed leaves no workers behind.
"""

from __future__ import annotations

import sys

from workers.config import load_settings
from workers.process.logs import configure_logging
from workers.process.supervision import Supervisor, end_with

if __name__ == "__main__":
    parent, *arguments = sys.argv[1:]
    end_with(int(parent))
    settings = load_settings()
    configure_logging(settings)
    command = [sys.executable, *arguments]
    sys.exit(Supervisor(sys.argv[-1], command, settings.retry_seconds, settings.retry_max_seconds).run())
