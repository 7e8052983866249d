"""Runs shown to a browser of the same machine while they go on.

Owns who is let in: this machine alone, whoever knows the token, reading alone. What is shown is the
report of `render`.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opgraph.api.extras import needed_for
from opgraph.api.run import Run
from opgraph.api.runs import list_runs
from opgraph.errors import OpgraphError, RunError

HOST = "127.0.0.1"
NAMES = [HOST, "localhost"]
GUARDS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass
class Shelf:
    """The runs that are shown: one, or all below a folder.

    Attributes:
        path: a run directory, or a folder of them.
        lang: the language that pages open in.
        made: the data of each run, as long as nothing has come to it.
    """

    path: Path
    lang: str = "en"
    made: dict[str, tuple[Any, str]] = field(default_factory=dict[str, tuple[Any, str]])

    @property
    def is_run(self) -> bool:
        """Whether there is one run alone."""
        return (self.path / "run.json").is_file()

    def run(self, name: str) -> Run | None:
        """A run by its name; only those that are listed are found."""
        if self.is_run:
            return Run(self.path) if not name else None
        found = (one.path for one in list_runs(self.path) if one.name == name)
        path = next(found, None)
        return None if path is None else Run(path)

    def page(self, run: Run) -> str:
        """The report of a run, that asks for more while the run goes on."""
        from opgraph.render.report import report_page

        return report_page(run.record, run.graph.analyze(), lang=self.lang, served=True)

    def content(self, run: Run, after: int) -> str | None:
        """What the report holds by now; None if no step was added and the run goes on."""
        from opgraph.render.report import report_json

        state = (run.record.last_step, run.record.info.status)
        if state == (after, "running"):
            return None
        key = str(run.path)
        if key not in self.made or self.made[key][0] != state:
            self.made[key] = (state, report_json(run.record, run.graph.analyze()))
        return self.made[key][1]

    def index(self) -> str:
        """The list of runs."""
        from opgraph.render.report import runs_page

        return runs_page(list_runs(self.path), self.lang)


def make_app(shelf: Shelf, token: str) -> Any:
    """The ASGI application: everything is behind the token, and only read.

    Raises:
        MissingDependencyError: starlette is not installed.
    """
    with needed_for("serving"):
        from starlette.applications import Starlette
        from starlette.middleware import Middleware
        from starlette.middleware.trustedhost import TrustedHostMiddleware
        from starlette.routing import Route

    answers = {
        "/{token}/content": _content,
        "/{token}/run/{name:path}/content": _content,
        "/{token}/run/{name:path}/": _page,
        "/{token}/": _page,
    }
    routes = [Route(path, _guarded(answer, shelf, token)) for path, answer in answers.items()]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=NAMES, www_redirect=False)
    return Starlette(routes=routes, middleware=[hosts])


def _guarded(answer: Callable[[Shelf, Any], Any], shelf: Shelf, token: str) -> Callable[[Any], Any]:
    """An answer to those who know the token; what goes wrong is one line."""

    def endpoint(request: Any) -> Any:
        if not secrets.compare_digest(request.path_params["token"].encode(), token.encode()):
            return _text("not found", 404)
        try:
            return answer(shelf, request)
        except OpgraphError as error:
            return _text(str(error), 500)

    return endpoint


def _text(text: str, status: int) -> Any:
    from starlette.responses import PlainTextResponse

    return PlainTextResponse(text, status, GUARDS)


def _page(shelf: Shelf, request: Any) -> Any:
    from starlette.responses import HTMLResponse

    name = request.path_params.get("name", "")
    if not name and not shelf.is_run:
        return HTMLResponse(shelf.index(), headers=GUARDS)
    run = shelf.run(name)
    if run is None:
        return _text("not found", 404)
    return HTMLResponse(shelf.page(run), headers=GUARDS)


def _content(shelf: Shelf, request: Any) -> Any:
    from starlette.responses import Response

    run = shelf.run(request.path_params.get("name", ""))
    if run is None:
        return _text("not found", 404)
    after = request.query_params.get("after", "")
    data = shelf.content(run, int(after) if after.isdecimal() else -1)
    if data is None:
        return Response(status_code=204, headers=GUARDS)
    return Response(data, media_type="application/json", headers=GUARDS)


def serve(
    path: str | Path,
    *,
    port: int = 0,
    lang: str = "en",
    notify: Callable[[str], object] | None = None,
) -> None:
    """Show a run, or all runs below a folder, to browsers of this machine, until interrupted.

    Args:
        path: a run directory, or a folder of them.
        port: where to listen; any free one when 0.
        lang: the language that pages open in: `en` or `zh`.
        notify: told the address, with its token.

    Raises:
        RunError: there is no such folder or language, or the port is taken.
        MissingDependencyError: starlette, uvicorn or bokeh is not installed.
    """
    from opgraph.api.reporting import check_language
    from opgraph.render.report import chart_library

    with needed_for("serving"):
        import uvicorn

    check_language(lang)
    chart_library()
    shelf = Shelf(Path(path), lang)
    if not shelf.is_run:
        list_runs(path)
    token = secrets.token_urlsafe(16)
    app = make_app(shelf, token)
    with _listen(port) as listening:
        address = f"http://{HOST}:{listening.getsockname()[1]}/{token}/"
        if notify is not None:
            notify(address)
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        with suppress(KeyboardInterrupt):  # it ends in no other way
            uvicorn.Server(config).run(sockets=[listening])


def _listen(port: int) -> socket.socket:
    """A socket of this machine alone."""
    listening = socket.socket()
    try:
        listening.bind((HOST, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise RunError(f"cannot listen at port {port}: {error.strerror}", where="port") from None
    return listening
