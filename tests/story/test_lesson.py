"""Lessons on real trainings: every answer on the page is computed again from the worksheet."""

import contextlib
import csv
import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from answers import ANSWERS, convolution_of_arrays
from arithmetic import last_place, number, work_out
from pages import main_of, read_page, tags_of

import opgraph
from opgraph.api.lessons import check_targets
from opgraph.errors import RunError
from opgraph.ops import kinds
from opgraph.story import LANGUAGES, read_catalogue
from opgraph.story.lesson import choose_steps, program, solved_question
from opgraph.story.lesson.formulas import family
from opgraph.story.lesson.questions import ASKERS

SAMPLES = Path(__file__).parents[2] / "sample_graphs"
SMALL = """
输入 (image) -> 卷积层 1 (conv) -> bn -> relu -> max_pool -> gap
gap -> 全连接 (hidden) -> relu2 -> dropout -> logits -> softmax
image: Input(shape=(8, 8, 1))
conv[filters=6]; hidden[units=12]; bn[momentum=0.9]
"""
OTHERS = (
    "cnn",
    "residual",
    "squeeze_excite",
    "depthwise_separable",
    "lstm_classifier",
    "transformer_encoder",
    "lenet5",
    "siamese",
    "two_inputs",
)
SETTINGS = {"rate", "step", "count", "kept", "epsilon", "momentum", "updates", "at", "label", "y"}
EVERYWHERE = {
    "params", "dense", "softmax", "entropy", "mean_loss", "first_gradient", "weight_gradient",
    "bias_gradient", "new_value", "limit",
}  # fmt: skip


class Files:
    """A lesson as it was written."""

    def __init__(self, made, folder):
        self.made = made
        self.page, self.csv, self.npz = made.write(folder / "lesson.html")
        self.html = self.page.read_text(encoding="utf-8")
        with np.load(self.npz, allow_pickle=False) as arrays:
            self.arrays = dict(arrays)
        with self.csv.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        self.given = {int(row["question"]): {} for row in rows}
        for row in rows:
            self.given[int(row["question"])][row["name"]] = row["value"]

    def answers(self):
        """The line with the answer to each question, read out of the page."""
        found = {}
        for box in main_of(self.html).iter("article"):
            if (ident := box.get("id", "")).startswith("question-"):
                inside = self.html.split(f'id="{ident}"')[1].split("</article>")[0]
                lines = read_page("<main>" + inside.partition(">")[2] + "</main>")
                found[int(ident.removeprefix("question-"))] = lines[-1]
        return found


def check(files):
    """Work every answer out again; the kinds that were asked."""
    answers = files.answers()
    assert set(answers) == set(range(1, len(files.made.questions) + 1))
    for at, question in enumerate(files.made.questions, 1):
        given, line = files.given[at], answers[at]
        again, printed = ANSWERS[question.kind](given), line.formulas[-1]
        # What is recorded in float32 may be off by the tolerance that is stated beside it.
        assert abs(again - number(printed)) <= 2 * last_place(printed) + line.allowed, (
            question.kind, given, line)  # fmt: skip
        if line.recorded is not None:
            assert abs(again - line.recorded) <= 2 * line.allowed + 1e-6 * abs(again), question.kind
        check_arrays(question, given, files.arrays)
    return {question.kind for question in files.made.questions}


def check_arrays(question, given, arrays):
    """The given numbers are in the arrays, each as it was recorded."""
    if question.kind in ("params", "shape", "limit", "initial_share"):
        return
    known = np.concatenate([arrays[name].ravel().astype(float) for name in question.arrays])
    for name, value in given.items():
        plain = name.partition("[")[0]
        if plain in SETTINGS or not re.fullmatch(r"[-+\d.e]+", value):
            continue
        if plain.partition(".")[0] in ("beta_1", "beta_2", "rho", "weight_decay", "nesterov"):
            continue
        if plain in ("gamma", "beta") and float(value) in (0.0, 1.0):
            continue
        assert np.isin(float(value), known), (question.kind, name)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("lesson") / "run"
    return opgraph.trace(SMALL, "digits", output=path, steps=6, batch_size=8)


@pytest.fixture(scope="module")
def files(run, tmp_path_factory):
    return Files(run.lesson(), tmp_path_factory.mktemp("files"))


@pytest.mark.tf
def test_every_answer_follows_from_the_worksheet(files):
    asked = check(files)
    assert asked == set(ASKERS) - {"layer_norm", "merge", "squared", "squared_gradient"}
    assert not files.made.lesson.story.defects


@pytest.mark.tf
def test_every_line_of_the_page_is_right_as_printed(files):
    worked = 0
    for line in read_page(files.html):
        for text in line.formulas[:-1]:
            again = work_out(text)
            if again is not None:
                worked += 1
                assert abs(again - number(line.formulas[-1])) <= last_place(line.formulas[-1]), line
    assert worked > 60


@pytest.mark.tf
def test_a_convolution_is_the_same_from_whole_maps(files):
    at, question = next(
        (at, q) for at, q in enumerate(files.made.questions, 1) if q.kind == "convolution"
    )
    source = next(name for name in question.arrays if name.endswith("/output"))
    again = convolution_of_arrays(
        files.given[at], files.arrays, question.node, source.removesuffix("/output")
    )
    assert again == pytest.approx(ANSWERS["convolution"](files.given[at]), rel=1e-12)


@pytest.mark.tf
def test_a_wrong_given_number_is_noticed(files):
    at = next(at for at, q in enumerate(files.made.questions, 1) if q.kind == "bias_gradient")
    files.given[at]["grad[0]"] = str(float(files.given[at]["grad[0]"]) + 0.01)
    with pytest.raises(AssertionError):
        check(files)
    files.given[at]["grad[0]"] = str(float(files.given[at]["grad[0]"]) - 0.01)


@pytest.mark.tf
def test_the_program_on_the_page_runs_and_gives_the_answer(files, monkeypatch):
    monkeypatch.chdir(files.page.parent)
    shown = next(main_of(files.html).iter("pre"))
    code = "".join(shown.itertext())
    assert code == program(files.made.lesson, "lesson.csv", "lesson.npz").rstrip("\n")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "<page>", "exec"), {})
    lines = out.getvalue().splitlines()
    assert any(line.startswith("conv/kernel (") for line in lines)
    answer = files.answers()[solved_question(files.made.lesson)]
    assert float(lines[-1]) == pytest.approx(number(answer.formulas[-1]), rel=1e-5)


@pytest.mark.tf
def test_the_same_seed_makes_the_same_files_and_another_asks_elsewhere(run, files, tmp_path):
    again = Files(run.lesson(), tmp_path)
    assert again.html == files.html
    assert again.csv.read_bytes() == files.csv.read_bytes()
    assert again.npz.read_bytes() == files.npz.read_bytes()
    other = Files(run.lesson(seed=1), tmp_path / "other")
    assert check(other) == check(files)
    assert other.csv.read_bytes() != files.csv.read_bytes()


@pytest.mark.tf
def test_chinese_says_the_same_and_keeps_the_labels(run, files, tmp_path):
    found = Files(run.lesson(lang="zh"), tmp_path)
    assert check(found) == check(files)
    text = "".join(main_of(found.html).itertext())
    assert '<html lang="zh">' in found.html
    for word in ("卷积核", "批归一化", "反向传播", "交叉熵", "偏差修正", "移动平均", "卷积层 1"):
        assert word in text
    assert not re.search(r"[\u4e00-\u9fff] [，。：；？！）]", text)
    assert "卷积层 1" in "".join(main_of(files.html).itertext())


@pytest.mark.tf
def test_the_page_is_well_formed_and_loads_nothing(files):
    tags = tags_of(files.html)
    assert not {"script", "link", "iframe"} & set(tags.seen)
    sources = [value for name, value in tags.attributes if name in ("src", "href")]
    assert all(value.startswith(("#", "data:")) for value in sources)
    identities = [value for name, value in tags.attributes if name == "id"]
    assert len(identities) == len(set(identities))
    links = {value[1:] for value in sources if value.startswith("#")}
    assert links <= set(identities)
    assert len(files.html) < 2_000_000


@pytest.mark.tf
@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_other_networks_are_asked_what_fits(name, tmp_path):
    data = "synthetic:mixed" if name in ("siamese", "two_inputs") else "digits"
    path = tmp_path / "run"
    run = opgraph.trace(SAMPLES / f"{name}.txt", data, output=path, steps=4, batch_size=8)
    found = Files(run.lesson(seed=2), tmp_path)
    asked = check(found)
    assert asked >= EVERYWHERE
    assert len(asked) >= 10
    assert not found.made.lesson.story.defects


IMAGE = "image: Input(shape=(8, 8, 1)) -> conv[filters=4] -> bn -> relu -> max_pool -> flatten -> "
OUTPUT = "fc -> softmax"
TRAININGS = {
    "rmsprop": (IMAGE + OUTPUT, "digits", {"optimizer": "rmsprop"}, {"new_value"}, set()),
    "nesterov": (
        IMAGE + OUTPUT, "digits", {"optimizer": "sgd(momentum=0.9, nesterov=true)"},
        {"new_value"}, set(),
    ),
    "decay": (
        IMAGE + OUTPUT, "digits", {"optimizer": "adamw", "weight_decay": 0.01},
        {"new_value"}, set(),
    ),
    "clipped": (IMAGE + OUTPUT, "digits", {"clip_global_norm": 0.1}, set(), {"new_value"}),
    "in parts": (IMAGE + OUTPUT, "digits", {"accumulate": 4}, {"new_value"}, {"moving_mean"}),
    "smoothed": (IMAGE + OUTPUT, "digits", {"label_smoothing": 0.1}, {"softmax"}, {"entropy"}),
    "numbers": (
        "row: Input(shape=(6,)) -> d[units=8]: Dense -> relu -> out: Dense(units=2)",
        "synthetic:regression", {"loss": "mse"},
        {"squared", "squared_gradient", "mean_loss"}, {"entropy"},
    ),
    "one step": (IMAGE + OUTPUT, "digits", {"steps": 1}, {"new_value", "winner"}, set()),
}  # fmt: skip


@pytest.mark.tf
@pytest.mark.slow
@pytest.mark.parametrize("name", TRAININGS)
def test_other_trainings_are_asked_what_fits(name, tmp_path):
    graph, data, options, some, none = TRAININGS[name]
    options = {"steps": 4, "batch_size": 8, **options}
    run = opgraph.trace(graph, data, output=tmp_path / "run", **options)
    asked = check(Files(run.lesson(), tmp_path))
    assert some <= asked
    assert not none & asked


@pytest.mark.tf
def test_without_matplotlib_there_is_no_curve(run, files, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    told = []
    found = run.lesson(notify=told.append)
    assert len(found.figures) == len(files.made.figures) - 1
    assert told == [
        "the page has no curve of the loss: drawing curves needs matplotlib, which is not"
        " installed: pip install 'opgraph[plot]'"
    ]


def test_only_a_worksheet_is_replaced(tmp_path):
    target = tmp_path / "lesson.html"
    data = tmp_path / "lesson.csv"
    data.write_text("question,name,value\n1,x,2\n", encoding="utf-8")
    (tmp_path / "lesson.npz").write_bytes(b"")
    assert check_targets(target, None) == (target, data, tmp_path / "lesson.npz")
    data.write_text("pixel,label\n", encoding="utf-8")
    with pytest.raises(RunError, match="is there already and no worksheet, so it is not replaced"):
        check_targets(target, None)
    data.unlink()
    with pytest.raises(RunError, match=r"lesson\.npz: is there already and no worksheet"):
        check_targets(target, None)


def test_the_later_step_is_where_most_was_wrong():
    assert choose_steps([5], [1.0]) == (5, 5)
    assert choose_steps([1, 2, 3, 4, 5], [9.0, 8.0, 1.0, 3.0, float("nan")]) == (1, 4)


def test_every_op_is_described_in_both_languages():
    for lang in LANGUAGES:
        known = read_catalogue(lang).sentences
        missing = {kind.kind for kind in kinds() if f"op.{family(kind.kind)}" not in known}
        assert not missing
    described = {key for key in read_catalogue("en").sentences if key.startswith("op.")}
    assert described == {f"op.{family(kind.kind)}" for kind in kinds()}


def test_what_cannot_be_written_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(RunError, match=r"ends in \.html, received 'lesson\.pdf'"):
        check_targets(tmp_path / "lesson.pdf", None)
    with pytest.raises(RunError, match=r"a \.csv and an \.npz of the same name, received 'x\.txt'"):
        check_targets(tmp_path / "lesson.html", "x.txt")
    with pytest.raises(RunError, match="expected one of en, zh, received 'de'"):
        opgraph.lesson("a: Input(shape=(4,)) -> fc", lang="de")
