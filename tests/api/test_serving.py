"""Serving runs, by the real server: who is let in, what is given out, how a run grows."""

import http.client
import importlib.util
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from opgraph.api.serving import serve
from opgraph.errors import RunError
from opgraph.text import parse

MADE = Path(__file__).parents[1] / "render" / "report" / "made.py"
NETWORK = "a: Input(shape=(4,)) -> fc[units=3] -> prob: Softmax()"


class Served:
    """`opgraph serve` as a process of its own."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-m", "opgraph", "serve", str(path)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert line.endswith("/ (Ctrl-C ends it)\n")
        address = urlsplit(line.split()[1])
        assert address.hostname == "127.0.0.1"
        self.port, self.token = address.port, address.path.strip("/")

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str, dict]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path.replace("TOKEN", self.token), headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8")
        connection.close()
        return answer.status, text, {k.lower(): v for k, v in answer.getheaders()}

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        with self.process:
            return self.process.wait(20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("made", MADE)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    folder = tmp_path_factory.mktemp("served") / "runs"
    made.write_run(folder / "one", parse(NETWORK), 5, measure="norms")
    made.write_run(folder / "a b<i>", parse(NETWORK), 3, measure="norms")
    (folder.parent / "secret.txt").write_text("not for you", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def one(folder):
    served = Served(folder / "one")
    yield served
    assert served.end() == 0


@pytest.fixture(scope="module")
def all_runs(folder):
    served = Served(folder)
    yield served
    assert served.end() == 0


def test_a_run_is_shown_behind_its_token(one):
    status, text, headers = one.ask("/TOKEN/")
    assert status == 200
    assert "connect-src 'self'" in text
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert len(one.token) >= 20


@pytest.mark.parametrize(
    "path", ["/", "/wrong/", "//", "/TOKENx/", "/TOKEN/run/one/", "/wrong/content", "/t%C3%B6ken/"]
)
def test_without_the_token_there_is_nothing(one, path):
    status, text, _ = one.ask(path)
    assert status == 404
    assert "opgraph" not in text


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200), ("localhost:80", 200), ("evil.example", 400),
        ("127.0.0.1.evil.example", 400), ("", 400),
    ],
)  # fmt: skip
def test_only_this_machine_may_be_the_host(one, host, status):
    assert one.ask("/TOKEN/content?after=5", Host=host)[0] == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_written(one, method):
    assert one.ask("/TOKEN/", method)[0] == 405


def test_only_this_machine_can_reach_it(one):
    """It does not listen at the machine's other addresses."""
    with socket.socket() as other:
        other.settimeout(5)
        assert other.connect_ex(("127.0.0.2", one.port)) != 0


def test_a_folder_lists_its_runs_and_gives_out_nothing_else(all_runs):
    page = all_runs.ask("/TOKEN/")[1]
    assert '<a href="run/one/">one</a>' in page
    assert '<a href="run/a%20b%3Ci%3E/">a b&lt;i&gt;</a>' in page
    assert all_runs.ask("/TOKEN/run/a%20b%3Ci%3E/")[0] == 200
    names = (
        "..",
        "../secret.txt",
        "%2e%2e",
        "%2e%2e%2fsecret.txt",
        "%2fetc",
        "one%2frun.json",
        "two",
    )
    for name in names:
        for tail in ("", "/", "/content"):
            status, text, _ = all_runs.ask(f"/TOKEN/run/{name}{tail}")
            assert status in (307, 404), (name, tail)
            assert "not for you" not in text


def test_a_run_in_progress_gives_out_what_was_added(one, folder):
    data = json.loads(one.ask("/TOKEN/content?after=3")[1])
    assert data["run"]["last"] == 5
    file = folder / "one" / "run.json"
    text = file.read_text(encoding="utf-8")
    changed = text.replace('"status": "finished"', '"status": "running"')
    assert changed != text
    try:
        file.write_text(changed, encoding="utf-8")
        assert one.ask("/TOKEN/content?after=5")[0] == 204
        assert one.ask("/TOKEN/content?after=4")[0] == 200
        assert one.ask("/TOKEN/content?after=x")[0] == 200
    finally:
        file.write_text(text, encoding="utf-8")


def test_a_damaged_run_is_one_line(one, folder):
    file = folder / "one" / "run.json"
    text = file.read_text(encoding="utf-8")
    try:
        file.write_text("{", encoding="utf-8")
        status, told, _ = one.ask("/TOKEN/")
    finally:
        file.write_text(text, encoding="utf-8")
    assert status == 500
    assert "Traceback" not in told
    assert "run.json" in told


def test_what_cannot_be_served_is_refused_before_anyone_is_told(folder, tmp_path):
    told = []
    with pytest.raises(RunError, match="expected one of en, zh, received 'fr'"):
        serve(folder, lang="fr", notify=told.append)
    with pytest.raises(RunError, match="nothing"):
        serve(tmp_path / "nothing", notify=told.append)
    assert told == []


def test_a_taken_port_is_one_error(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RunError, match=f"cannot listen at port {port}: Address already in use"):
            serve(folder, port=port)
