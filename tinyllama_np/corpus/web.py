"""One HTTP request, made with the standard library.

`urllib` honours the usual proxy settings: the environment variables `http_proxy`, `https_proxy` and
`no_proxy` (or their upper-case forms), and the system's on macOS and Windows. Redirects are
followed here, not by urllib, so that three things are certain: they lead to http or https only and
never from https to http; credentials go to the server they were given for and to no other; and what
a server announces in a redirect is kept (Hugging Face names commit, size and SHA-256 of a file in
the redirect to its content network, not in the answer that carries the bytes).

`http.client` refuses header lines above 65,536 bytes and more than 100 of them.
"""

from __future__ import annotations

import base64
import contextlib
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import Any

from tinyllama_np import __version__
from tinyllama_np.corpus.text import CorpusError

MAX_REDIRECTS = 10
REDIRECTS = (301, 302, 303, 307, 308)
TEMPORARY = (408, 425, 429, 500, 502, 503, 504)
# What a redirect may announce about the file behind it.
COMMIT, LINKED_SIZE, LINKED_ETAG = "X-Repo-Commit", "X-Linked-Size", "X-Linked-Etag"


class FetchError(Exception):
    """A download that failed; the message is one line that says why and what to do."""


class TemporaryError(Exception):
    """A request that failed in a way that another attempt may mend.

    Attributes
    ----------
    retry_after : float or None
        Seconds that the server asks to wait.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Login:
    """The value of the header `Authorization`, and the one server that gets it."""

    origin: str
    value: str = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """Status and headers of the last server, its body still to be read, and what was announced.

    `announced` holds COMMIT, LINKED_SIZE and LINKED_ETAG as the first server said them that did.
    """

    host: str
    status: int
    headers: HTTPMessage
    announced: Mapping[str, str]
    stream: HTTPResponse


class _EveryStatus(urllib.request.HTTPErrorProcessor):
    """Hands over every answer, so that a status is looked at in one place."""

    def http_response(self, request: urllib.request.Request, response: Any) -> Any:
        return response

    https_response = http_response


def split_login(url: str) -> tuple[str, Login | None]:
    """The address without user and password, and these as a login.

    Raises
    ------
    CorpusError
        If it is no http or https address of a folder; the message does not show a password.
    """
    expected = "expected http://HOST/FOLDER or https://HOST/FOLDER without ? and #"
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise CorpusError(f"--url is not an address that can be read: {expected}") from None
    shown = url.rpartition("@")[2]  # a user and a password would stand before it
    if parts.scheme not in ("http", "https") or not host:
        raise CorpusError(f"--url {shown!r}: {expected}")
    if parts.query or parts.fragment or re.search(r"[^!-~]", url):
        shown = f"{parts.scheme}://{host}"  # a query may hold a secret
        raise CorpusError(
            f"--url {shown!r}… has a ?, a #, a space or a non-ASCII letter: {expected}"
        )
    place = f"[{host}]" if ":" in host else host
    place += f":{port}" if port else ""
    clean = urllib.parse.urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", ""))
    if parts.username is None:
        return clean, None
    user, password = (urllib.parse.unquote(text or "") for text in (parts.username, parts.password))
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    return clean, Login(origin(clean), f"Basic {encoded}")


def origin(url: str) -> str:
    """Scheme, host and port: what counts as one server."""
    parts = urllib.parse.urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{parts.hostname}:{port}"


@contextlib.contextmanager
def request(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    login: Login | None = None,
    timeout: float,
) -> Iterator[Answer]:
    """Ask for `url` and follow redirects; with HEAD, only until a server names the commit.

    Raises
    ------
    TemporaryError
        No connection, no answer within `timeout` seconds, or a status that says "later".
    FetchError
        A redirect that is not followed, a certificate or a proxy that refuses, or any other
        status than 200, 206 and 416.
    """
    opener = urllib.request.build_opener(_EveryStatus)
    announced: dict[str, str] = {}
    sent = {"User-Agent": f"tinyllama-np/{__version__}", "Accept-Encoding": "identity"}
    for _ in range(MAX_REDIRECTS + 1):
        own = {"Authorization": login.value} if login and origin(url) == login.origin else {}
        asked = urllib.request.Request(
            url, headers={**sent, **(headers or {}), **own}, method=method
        )
        with _open(opener, asked, timeout) as response:
            for name in (COMMIT, LINKED_SIZE, LINKED_ETAG):
                if value := response.headers.get(name):
                    announced.setdefault(name, value)
            redirected = response.status in REDIRECTS
            if not redirected or (method == "HEAD" and COMMIT in announced):
                host = _host(url)
                if not redirected:
                    _check_status(host, response)
                yield Answer(host, response.status, response.headers, announced, response)
                return
            url = redirect_target(url, response.headers.get("Location"))
    raise FetchError(f"{_host(url)} redirects more than {MAX_REDIRECTS} times: try another --url")


def redirect_target(url: str, location: str | None) -> str:
    """Where a redirect from `url` leads, if it may be followed."""
    host = _host(url)
    if not location:
        raise FetchError(f"{host} redirects without saying where to: try another --url")
    try:
        target = urllib.parse.urljoin(
            url, urllib.parse.quote(location, safe="!-~%:/?#[]@&=+$,;'()*")
        )
        parts = urllib.parse.urlsplit(target)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable, parts = False, urllib.parse.urlsplit("")
    if not usable or parts.username is not None:
        raise FetchError(
            f"{host} redirects to what is no plain http or https address: try another --url"
        )
    if url.startswith("https:") and parts.scheme == "http":
        raise FetchError(
            f"{host} redirects from https to http, where anybody could change the text: "
            "try another --url"
        )
    return target


def read_some(stream: HTTPResponse, at_most: int, timeout: float) -> bytes:
    """What has arrived of the body, `at_most` bytes of it; nothing at its end."""
    try:
        return stream.read1(at_most)  # read() would lose what came before a failure
    except (OSError, HTTPException) as error:
        raise TemporaryError(f"the connection broke: {_reason(error, timeout)}") from None


def _open(
    opener: urllib.request.OpenerDirector, asked: urllib.request.Request, timeout: float
) -> HTTPResponse:
    host = _host(asked.full_url)
    try:
        response: HTTPResponse = opener.open(asked, timeout=timeout)
    except (OSError, HTTPException) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise FetchError(
                f"the certificate of {host} is not trusted: {cause.verify_message}; check the "
                "clock, the proxy, and SSL_CERT_FILE"
            ) from None
        if "Tunnel connection failed" in str(cause):
            raise FetchError(
                f"the proxy does not connect to {host}: {cause}; check https_proxy and no_proxy"
            ) from None
        raise TemporaryError(f"cannot reach {host}: {_reason(cause, timeout)}") from None
    return response


def _reason(error: object, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing came for {timeout:g} s"
    if isinstance(error, ConnectionResetError):  # http.client.RemoteDisconnected is one
        return "the server closed the connection"
    return getattr(error, "strerror", None) or type(error).__name__


def _check_status(host: str, response: HTTPResponse) -> None:
    status = response.status
    if status in (200, 206, 416):
        return
    if status in TEMPORARY:
        asked = response.headers.get("Retry-After", "").strip()
        wait = float(asked) if re.fullmatch(r"[0-9]{1,6}", asked) else None
        what = "asks to come back later" if status == 429 else "has trouble of its own"
        raise TemporaryError(f"{host} {what} (status {status})", wait)
    if status in (401, 403):
        advice = "refuses access: check --url and, if the server wants one, the login"
    elif status in (404, 410):
        advice = "has no such file: check --revision and --url"
    elif status == 407:
        advice = "is behind a proxy that wants a login: check http_proxy"
    else:
        advice = "gave an answer that is no file: check --url"
    raise FetchError(f"{host} {advice} (status {status})")


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).hostname or "the server"
