"""A host of pictures on the loopback: ``python -m tests.bench.media FOLDER`` writes its port, then serves.

``/N.jpg`` is picture N modulo those in the folder, with pixels of its own: no two numbers have equal ones.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from tests.bench.photographs import variant

_ASKED = re.compile(rb"GET /(\d+)\.jpg ")


async def main(pictures: list[bytes]) -> None:

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = _ASKED.match(await reader.readuntil(b"\r\n\r\n"))
                number = int(asked.group(1)) if asked else 0
                body = variant(pictures[number % len(pictures)], number // len(pictures))
                head = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main([path.read_bytes() for path in sorted(Path(sys.argv[1]).glob("*.jpg"))]))
