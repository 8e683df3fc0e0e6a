# Talks to the echo server at argv[1] with the package websockets.
import asyncio
import sys

import websockets


async def main(url, compression):
    messages = []
    for size in (0, 1, 125, 126, 65535, 65536, 1 << 20, (16 << 20) - 7):
        messages += ["é" * (size // 2), bytes(i * 31 & 255 for i in range(min(size, 70000)))]
    messages += ["κόσμε 😀", ["frag", "", "ments ", "é"], [b"\x00\xff", b"\xfe" * 70000]]
    async with websockets.connect(url, max_size=None, ping_interval=None) as ws:
        assert (ws.response.headers.get("Sec-WebSocket-Extensions") is not None) == compression
        for message in messages:
            await ws.send(message)
            pong = await ws.ping("between")
            whole = message
            if isinstance(message, list):
                whole = message[0][:0].join(message)
            got = await ws.recv()
            assert got == whole, f"{len(got)} of {len(whole)}"
            await pong
        await asyncio.gather(*(ws.send(str(i)) for i in range(1000)))
        for i in range(1000):
            assert await ws.recv() == str(i)
        await ws.close(3001, "bye")
    assert ws.close_code == 3001, ws.close_code
    print(len(messages), "messages")


asyncio.run(main(sys.argv[1], sys.argv[2] == "true"))
