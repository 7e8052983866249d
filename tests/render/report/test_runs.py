"""The list of runs: names stay text, what cannot be read has no link."""

from pathlib import Path

from opgraph.record import RunSummary
from opgraph.render.report import runs_page


def test_each_run_is_a_row_with_a_link_to_its_report():
    good = RunSummary(Path("x"), "a/<b>", "finished", 400, 400, 0.991, 0.0464)
    bad = RunSummary(Path("y"), "broken", "unreadable", problem="damaged")
    page = runs_page([good, bad], "en")
    assert '<td><a href="run/a/%3Cb%3E/">a/&lt;b&gt;</a></td><td>finished</td><td>400</td>' in page
    assert "<td>0.991</td><td>0.0464</td>" in page
    assert "<td>broken</td><td>unreadable</td><td></td><td></td><td></td>" in page


def test_an_empty_folder_says_so_in_both_languages():
    assert "<p>There is no run here.</p>" in runs_page([], "en")
    assert "<p>这里没有训练记录。</p>" in runs_page([], "zh")
