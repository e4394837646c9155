"""A web server on 127.0.0.1 that misbehaves as it is told, for the tests of downloads."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER_COMMIT = "f" * 40
HUB = "/datasets/roneneldan/TinyStories/resolve"


@dataclass
class Server:
    """`files` by path, served with ranges; each GET of a file takes the next step of `script`.

    The paths below HUB answer as Hugging Face does: a redirect that names commit, size and SHA-256
    of the file, which a content network then sends, with an ETag of its own kind.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    script: list[Callable[[Handler], None]] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    etag: str | None = '"v1"'
    commit: str | None = COMMIT
    hub_headers: dict[str, str] = field(default_factory=dict)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def hub(self) -> str:
        return f"{self.url}{HUB}/{{revision}}"

    def asked(self, method: str = "GET", path: str = "") -> list[dict[str, str]]:
        """Headers of the requests of that method whose path ends so."""
        return [h for m, p, h in self.requests if m == method and p.endswith(path)]


class Handler(BaseHTTPRequestHandler):
    server_of_test: Server

    def do_GET(self) -> None:
        server = self.server_of_test
        path = re.sub(r"^http://[^/]+", "", self.path)  # a proxy is asked for whole addresses
        server.requests.append((self.command, self.path, dict(self.headers)))
        if path.startswith(HUB):
            self.redirect_to_content(path)
        elif server.script and self.command == "GET":
            server.script.pop(0)(self)
        else:
            self.send_file()

    do_HEAD = do_GET

    def redirect_to_content(self, path: str) -> None:
        server = self.server_of_test
        revision, name = path.removeprefix(f"{HUB}/").split("/")
        if f"/{name}" not in server.files or revision == "gone":
            self.reply(404, b"Entry not found", {"X-Repo-Commit": COMMIT})  # as the hub does
            return
        data = server.files[f"/{name}"]
        headers = {
            "Location": f"/{name}?Signature=secret",
            "X-Linked-Size": str(len(data)),
            "X-Linked-Etag": f'"{hashlib.sha256(data).hexdigest()}"',
        }
        if server.commit:
            pinned = re.fullmatch("[0-9a-f]{40}", revision)
            headers["X-Repo-Commit"] = revision if pinned else server.commit
        self.reply(302, b"Found", {**headers, **server.hub_headers})

    def send_file(
        self,
        cut: int | None = None,
        ranges: bool = True,
        heed_if_range: bool = True,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Send the file, or the range that is asked for; `cut` bytes of it and then no more."""
        path = re.sub(r"^http://[^/]+", "", self.path).partition("?")[0]
        data = self.server_of_test.files.get(path)
        if data is None:
            self.reply(404, b"<html>no</html>", {"Content-Type": "text/html"})
            return
        etag = self.server_of_test.etag
        extra = {
            "Content-Type": "text/plain",
            **({"ETag": etag} if etag else {}),
            **(headers or {}),
        }
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if asked and ranges and (not heed_if_range or condition in (None, etag)):
            start = int(asked[1])
            if start >= len(data):
                self.reply(416, b"", {**extra, "Content-Range": f"bytes */{len(data)}"})
                return
            extra["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.reply(206, data[start:], extra, cut)
        else:
            self.reply(200, data, extra, cut)

    def reply(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        cut: int | None = None,
    ) -> None:
        headers = {"Content-Length": str(len(body)), **(headers or {})}
        self.send_response(status)
        for name, value in headers.items():
            if value != "":  # what a test leaves out
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])

    def log_message(self, *_: object) -> None:
        pass


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:  # a client that went away
        pass


@contextlib.contextmanager
def running() -> Iterator[Server]:
    server = Server()
    handler = type("TestHandler", (Handler,), {"server_of_test": server})
    with _Quiet(("127.0.0.1", 0), handler) as http:
        server.port = http.server_address[1]
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.005})
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            http.shutdown()
            thread.join()


# --------------------------------------------------------------------------- steps of a script


def cut_after(count: int, **settings: object) -> Callable[[Handler], None]:
    return lambda handler: handler.send_file(cut=count, **settings)


def whole(**settings: object) -> Callable[[Handler], None]:
    return lambda handler: handler.send_file(**settings)


def status(code: int, **headers: str) -> Callable[[Handler], None]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.reply(code, b"trouble", named)


def body(data: bytes, **headers: str) -> Callable[[Handler], None]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.reply(200, data, named)


def stall_after(count: int) -> Callable[[Handler], None]:
    """Send a part and then nothing until the test is over."""

    def step(handler: Handler) -> None:
        handler.send_file(cut=count)
        handler.wfile.flush()
        handler.server_of_test.released.wait(60)

    return step


def hang_up(handler: Handler) -> None:
    """Close the connection without an answer."""


def chunked(data: bytes) -> Callable[[Handler], None]:
    def step(handler: Handler) -> None:
        coded = b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)
        handler.reply(200, coded, {"Content-Length": "", "Transfer-Encoding": "chunked"})

    return step
