# WebSockets of the package websockets, driven by the Go test over standard input, see compression_test.go.
import asyncio
import base64
import json
import sys
import threading

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

sockets, reads = {}, {}


def emit(client, event, **fields):
    print(json.dumps({"client": client, "event": event, **fields}), flush=True)


async def receive(client, ws):
    try:
        while True:
            await reads[client].wait()
            message = await ws.recv()
            binary = isinstance(message, bytes)
            emit(client, "message", binary=binary, base64=base64.b64encode(message if binary else message.encode()).decode())
    except ConnectionClosed:
        emit(client, "close", code=ws.close_code, reason=ws.close_reason)


# open connects with the package's own offer, or with that of the fields serverWindow and takeover.
async def open(client, url, agent=None, serverWindow=None, noTakeover=None, **_):
    more = {"user_agent_header": agent} if agent else {}
    if serverWindow or noTakeover:
        more["extensions"] = [ClientPerMessageDeflateFactory(server_max_window_bits=serverWindow, server_no_context_takeover=bool(noTakeover), client_no_context_takeover=bool(noTakeover))]
    ws = await connect(url, subprotocols=["v12.stomp"], max_size=None, max_queue=2, ping_interval=None, proxy=None, open_timeout=60, **more)
    sockets[client] = ws
    reads[client] = asyncio.Event()
    reads[client].set()
    emit(client, "open", protocol=ws.subprotocol or "", reason=ws.response.headers.get("Sec-WebSocket-Extensions", ""))
    asyncio.create_task(receive(client, ws))


async def send(client, base64="", binary=False, fragments=1, **_):
    content = decode(base64)
    content = content if binary else content.decode()
    size = -(-len(content) // fragments)
    parts = [content[i * size : (i + 1) * size] for i in range(fragments)]
    await sockets[client].send(content if fragments == 1 else parts)


decode = base64.b64decode


async def obey(command):
    client, what = command.pop("client"), command.pop("do")
    if what == "open":
        await open(client, **command)
    elif what == "send":
        await send(client, **command)
    elif what == "pause":
        reads[client].clear()
        emit(client, "paused")
    elif what == "go on":
        reads[client].set()
    elif what == "drop":
        sockets[client].transport.abort()
    elif what == "close":
        await sockets[client].close()


async def main():
    loop, commands = asyncio.get_running_loop(), asyncio.Queue()

    def read():
        for line in sys.stdin:
            loop.call_soon_threadsafe(commands.put_nowait, json.loads(line))
        loop.call_soon_threadsafe(commands.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    while (command := await commands.get()) is not None:
        await obey(command)


asyncio.run(main())
