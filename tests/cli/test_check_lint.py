"""`opgraph check --lint`, as typed: exit codes, tables, JSON, choice of rules, whole messages."""

import json
from pathlib import Path

import pytest

from opgraph.rules import rules

ROOT = Path(__file__).parents[2]
SAMPLES = sorted(path for path in (ROOT / "sample_graphs").iterdir() if path.is_file())
BROKEN = ROOT / "sample_graphs" / "broken"
PAGES = ROOT / "docs" / "reference" / "lint"

WRONG = "x: Input(shape=(4,)) -> fc[units=2] -> softmax_1 -> softmax_2"
ODD = "image: Input(shape=16x16x3) -> conv[filters=8] -> bn -> relu_1 -> relu_2 -> gap -> logits"
USAGE = "Usage: opgraph check [OPTIONS] FILE\nTry 'opgraph check --help' for help.\n\nError: "


@pytest.fixture
def lint(opgraph, tmp_path, monkeypatch):
    """Lint an edge list in a folder of its own: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(text: str, *options: str) -> tuple[int, str, str]:
        Path("net.txt").write_text(text + "\n", encoding="utf-8")
        return opgraph("check", "net.txt", "--lint", *options)

    return run


def codes(result: tuple[int, str, str]) -> list[tuple[str, str, str]]:
    """Severity, code and node of each finding, of what was printed as JSON."""
    return [(f["severity"], f["code"], f["node"]) for f in json.loads(result[1])["findings"]]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_no_sample_has_a_finding_that_is_an_error(opgraph, path):
    result = opgraph("check", path, "--lint", "--all", "--json")
    assert (result[0], result[2]) == (0, "")
    assert {severity for severity, _, _ in codes(result)} <= {"info"}


def test_an_error_ends_in_1_with_node_place_reason_and_advice(lint):
    code, out, err = lint(WRONG)
    assert (code, err) == (1, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "severity code node place what"
    assert lines[2:] == [
        "error OG202 softmax_2 net.txt:1:53 takes the probabilities of 'softmax_1' for scores",
        "",
        "OG202 a softmax of a softmax",
        "why Probabilities lie between 0 and 1, so that a second softmax makes them nearly equal:"
        " of 10",
        "classes the surest can get 0.23 at most. The loss cannot fall far and the gradient fades.",
        "do Take one of the two out.",
        "",
        "net: 4 nodes, 3 edges, 1 error",
    ]


def test_warnings_end_in_0(lint):
    result = lint(ODD, "--json")
    assert result[0] == 0
    assert codes(result) == [
        ("warning", "OG201", "relu_2"),
        ("info", "OG101", "conv"),
    ]


def test_nothing_found_says_how_many_rules_looked(lint):
    text = "x: Input(shape=(4,)) -> logits[units=2]"
    defaults = sum(rule.is_default for rule in rules())
    title = "net: 2 nodes, 1 edge, nothing found by"
    assert lint(text) == (0, f"{title} {defaults} rules\n", "")
    assert lint(text, "--all") == (0, f"{title} {len(rules())} rules\n", "")


def test_json_holds_all_of_a_finding(lint):
    code, out, err = lint(WRONG, "--json", "--select", "OG20*")
    data = json.loads(out)
    (finding,) = data.pop("findings")
    assert (code, err) == (1, "")
    assert data == {
        "ok": False,
        "nodes": 4,
        "edges": 3,
        "errors": [],
        "rules": ["OG201", "OG202", "OG203", "OG204"],
    }
    assert {k: v for k, v in finding.items() if k not in ("why", "fix")} == {
        "code": "OG202",
        "severity": "error",
        "node": "softmax_2",
        "title": "a softmax of a softmax",
        "problem": "takes the probabilities of 'softmax_1' for scores",
        "file": "net.txt",
        "line": 1,
        "column": 53,
    }
    assert finding["fix"] == "Take one of the two out."


def test_choosing_rules(lint):
    late = "image: Input(shape=16x16x3) -> conv[filters=8] -> relu -> bn -> gap -> logits"
    both = [("info", "OG101", "conv"), ("warning", "OG201", "relu_2")]
    assert codes(lint(late, "--json")) == []
    assert codes(lint(late, "--json", "--all")) == [("info", "OG102", "bn")]
    assert codes(lint(late, "--json", "--select", "og102")) == [("info", "OG102", "bn")]
    assert codes(lint(ODD, "--json", "--select", "OG1*")) == both[:1]
    assert codes(lint(ODD, "--json", "--ignore", "OG1*")) == both[1:]
    assert codes(lint(ODD, "--json", "--select", "OG1*,OG201", "--ignore", "OG101")) == both[1:]
    assert codes(lint(ODD, "--json", "--select", "OG101", "--select", "OG201")) == both[::-1]
    assert lint(WRONG, "--ignore", "OG202")[0] == 0


@pytest.mark.parametrize("option", ["--select", "--ignore"])
@pytest.mark.parametrize(
    ("code", "near"),
    [("OG20l", "did you mean 'OG204'? "), ("QQQ", ""), ("OX1*", "")],
)
def test_a_code_that_is_none(lint, option, code, near):
    problem = f"no rule is called '{code}'"
    hint = f"{near}all rules: opgraph check --explain all"
    assert lint(WRONG, option, code) == (2, "", f"error: {problem}\n   {hint}\n")
    code, out, err = lint(WRONG, option, code, "--json")
    assert (code, err) == (2, "")
    errors = [{"error": "OpgraphError", "problem": problem, "hint": hint}]
    assert json.loads(out) == {"ok": False, "errors": errors}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--select", "OG101"], "--select is for lint; add --lint"),
        (["--ignore", "OG101"], "--ignore is for lint; add --lint"),
        (["--all"], "--all is for lint; add --lint"),
        (["--target", "litert"], "--target is for lint; add --lint"),
        (["--loss", "mse"], "--loss is for lint; add --lint"),
        (["--from-logits"], "--from-logits is for lint; add --lint"),
        (
            ["--lint", "--from-logits"],
            "--from-logits says something of a loss; add --loss NAME",
        ),
        (
            ["--lint", "--target", "litrt"],
            "Invalid value for '--target': 'litrt' is not one of 'litert', 'onnxruntime'.",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_that_do_not_go_together(opgraph, options, message):
    assert opgraph("check", SAMPLES[0], *options) == (2, "", f"{USAGE}{message}\n")


def test_a_graph_that_cannot_be_read_ends_in_2(opgraph, tmp_path):
    missing = tmp_path / "nix.txt"
    problem = f"error: {missing}: cannot be read: No such file or directory\n"
    assert opgraph("check", missing, "--lint") == (2, "", problem)
    code, out, err = opgraph("check", BROKEN / "cycle.txt", "--lint")
    assert (code, out) == (2, "")
    assert "conv2 → add → gap → conv2" in err


def test_shapes_that_do_not_fit_are_a_finding(opgraph):
    path = BROKEN / "shape_mismatch.txt"
    result = opgraph("check", path, "--lint", "--json")
    assert result[0] == 1
    assert codes(result)[0] == ("error", "OG501", "sum")
    assert opgraph("check", path)[0] == 2


def test_explain_prints_the_page_without_a_file(opgraph):
    page = (PAGES / "OG202.md").read_text(encoding="utf-8")
    assert opgraph("check", "--explain", "og202") == (0, page, "")
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    assert opgraph("check", "--explain", "all") == (0, index, "")


def test_explain_of_a_code_that_is_none(opgraph):
    assert opgraph("check", "--explain", "OG1O1") == (
        2,
        "",
        "error: no rule is called 'OG1O1'\n   did you mean 'OG101'? all rules: opgraph check"
        " --explain all\n",
    )


def test_a_target_adds_what_it_lacks(lint):
    text = (
        "image: Input(shape=(None, None, 3)) -> conv[filters=4] -> gelu -> gap -> logits[units=2]"
    )
    assert codes(lint(text, "--json")) == []
    assert codes(lint(text, "--json", "--target", "litert")) == [("warning", "OG702", "image")]
    result = lint(text, "--json", "--target", "onnxruntime")
    assert (result[0], codes(result)) == (1, [("error", "OG703", "gelu")])
    finding = json.loads(result[1])["findings"][0]
    assert finding["problem"] == (
        "ONNX Runtime lacks gelu: tf2onnx leaves TensorFlow's Erfc in the file, which ONNX does"
        " not know"
    )


def test_a_loss_is_compared_with_the_output(lint):
    scores = "x: Input(shape=(4,)) -> scores: Dense(units=3)"
    loss = ("--json", "--loss", "sparse_categorical_crossentropy")
    assert codes(lint(scores, *loss)) == [("error", "OG203", "scores")]
    assert codes(lint(scores, *loss, "--from-logits")) == []
    softmax = f"{scores} -> softmax"
    assert codes(lint(softmax, *loss)) == []
    assert codes(lint(softmax, *loss, "--from-logits")) == [("error", "OG203", "softmax")]
