"""A run that is served while it goes on, in a real browser."""

import re
import signal
import subprocess
import sys

import pytest

from opgraph.text import parse

pytestmark = pytest.mark.browser

NETWORK = "a: Input(shape=(4,)) -> fc[units=3] -> relu: ReLU()"


@pytest.fixture
def serve():
    processes = []

    def start(path) -> str:
        command = [sys.executable, "-m", "opgraph", "serve", str(path)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        return re.search(r"http://\S+", process.stderr.readline())[0]

    yield start
    for process in processes:
        process.send_signal(signal.SIGINT)
        with process:
            process.wait(20)


def test_a_run_in_progress_grows_before_the_eyes(look, made, serve, tmp_path):
    making = made.Making(tmp_path / "run", parse(NETWORK), 30, measure="norms", part_steps=5)
    seen = look(serve(tmp_path / "run"))
    assert seen.page.inner_text("#where") == "step 0 of 0"
    making.add(range(1, 11))
    seen.until("document.getElementById('where').textContent === 'step 10 of 10'")
    seen.drawn()
    seen.page.keyboard.press("ArrowLeft")
    making.add(range(11, 31))
    making.end()
    seen.until("document.getElementById('where').textContent === 'step 9 of 30'")
    seen.until("document.body.textContent.includes('finished')")
    seen.page.keyboard.press("End")
    assert seen.page.inner_text("#where") == "step 30 of 30"
    seen.page.keyboard.press("ArrowDown")
    seen.drawn()
    seen.shot("served")


def test_a_folder_of_runs_leads_to_their_reports(look, made, serve, tmp_path):
    made.write_run(tmp_path / "runs" / "first <one>", parse(NETWORK), 4, measure="norms")
    address = serve(tmp_path / "runs")
    page = look(f"{address}run/first%20%3Cone%3E/").page
    page.goto(address)
    page.click("text=first <one>")
    page.wait_for_selector("html[data-ready=yes]")
    assert page.inner_text("#where") == "step 4 of 4"
