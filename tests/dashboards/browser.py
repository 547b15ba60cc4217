"""A real browser, driven over the DevTools protocol: what a page shows, asks for and complains about."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import shutil
import subprocess
import tempfile
from pathlib import Path

import aiohttp
import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_START_S, _REPLY_S = 60, 60


def path_or_skip():
    """Path of the browser; skips the test where there is none."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    return found or pytest.skip("no chromium here: apt-get install chromium")


class Page:
    """One tab. `errors` holds what the console complained about, `requests` every address asked for."""

    def __init__(self, socket):
        self.errors, self.requests = [], []
        self._socket, self._numbers, self._replies = socket, itertools.count(1), {}
        self._loaded = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def _read(self):
        async for message in self._socket:
            self._take(message.json())

    def _take(self, message):
        waiting = self._replies.pop(message.get("id"), None)
        if waiting:
            waiting.set_result(message)
        kind, details = message.get("method"), message.get("params", {})
        if kind == "Network.requestWillBeSent":
            self.requests.append(details["request"]["url"])
        elif kind == "Runtime.exceptionThrown":
            self.errors.append(str(details["exceptionDetails"]))
        elif kind == "Log.entryAdded" and details["entry"]["level"] in {"error", "warning"}:
            self.errors.append(details["entry"]["text"])
        elif kind == "Runtime.consoleAPICalled" and details["type"] in {"error", "warning", "assert"}:
            self.errors.append(str(details["args"]))
        elif kind == "Page.loadEventFired":
            self._loaded.set()

    async def send(self, method, **details):
        """Call a method of the protocol; returns its result."""
        number = next(self._numbers)
        self._replies[number] = reply = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": details})
        message = await asyncio.wait_for(reply, _REPLY_S)
        assert "error" not in message, message
        return message["result"]

    async def evaluate(self, script):
        """The value of an expression, awaited if it is a promise."""
        result = await self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def open(self, path, *, width=1280, height=900, dark=False):
        """Show a file at a size and in a theme, and wait until it has drawn itself."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.send(f"{domain}.enable")
        await self.size(width, height)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[theme])
        self._loaded.clear()
        await self.send("Page.navigate", url=Path(path).as_uri())
        await asyncio.wait_for(self._loaded.wait(), _REPLY_S)
        await self.until("document.querySelectorAll('#figures li').length > 0")

    async def size(self, width, height=900):
        """Change the window's size; below 600 it is a phone."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    async def until(self, condition):
        """Wait for an expression to be true."""
        for _ in range(300):
            if await self.evaluate(condition):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(condition, self.errors)

    async def choose(self, name, text):
        """Choose the option with that text in the select with that id, as a user does."""
        await self.evaluate(
            f"(() => {{ const list = document.getElementById({name!r}); const found = [...list.options]"
            f".find((one) => one.textContent === {text!r}); list.value = found.value;"
            " list.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )

    async def press(self, key, code):
        """Press a key."""
        text = {"text": "\r"} if key == "Enter" else {}
        await self.send("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        await self.send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    async def shoot(self, path):
        """Take a picture of the whole page."""
        shot = await self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        Path(path).write_bytes(base64.b64decode(shot["data"]))


@contextlib.asynccontextmanager
async def browsing():
    """A browser with one empty tab, gone afterwards with its profile."""
    path = path_or_skip()
    flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0",
             "--no-first-run", "--disable-background-networking", "--disable-component-update")  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [path, *flags, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port = await _port(Path(profile) / "DevToolsActivePort")
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json") as reply:
                    tab = next(one for one in await reply.json() if one["type"] == "page")
                async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    yield Page(socket)
        finally:
            process.terminate()
            process.wait(20)


async def _port(file):
    for _ in range(_START_S * 20):
        if file.exists() and file.read_text().strip():
            return file.read_text().split()[0]
        await asyncio.sleep(0.05)
    raise AssertionError("the browser did not start")
