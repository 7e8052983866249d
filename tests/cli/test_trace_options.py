"""What the options of `opgraph trace` come to, alone and together with a config file."""

import pytest

from opgraph.cli.trace import command
from opgraph.cli.trace_options import NOT_IN_A_PLAN, TOPICS, gather
from opgraph.runtime.config import TABLES, to_toml
from opgraph.runtime.recipe import Recipe

pytestmark = pytest.mark.tf


def settings(*arguments):
    """What a command line comes to."""
    given = command.make_context("trace", [str(argument) for argument in arguments]).params
    shown = ("as_json", "dry_run")
    return gather({name: value for name, value in given.items() if name not in shown})


def test_what_is_not_said_is_not_handed_on():
    assert settings("net.txt") == {"file": "net.txt"}


EXAMPLES = {
    "--steps 5": {"steps": 5},
    "--epochs 2 --accumulate 4": {"epochs": 2, "accumulate": 4},
    "--lr 0.1": {"learning_rate": 0.1},
    "--learning-rate 0.1": {"learning_rate": 0.1},
    "--seed 0": {"seed": 0},
    "--order-seed 3": {"order_seed": 3},
    "--label-smoothing 0": {"label_smoothing": 0.0},
    "--optimizer adamw(beta_2=0.9)": {"optimizer": "adamw(beta_2=0.9)"},
    "--schedule cosine(warmup=5)": {"schedule": "cosine(warmup=5)"},
    "--weight-decay 0.1 --clip-global-norm 1": {"weight_decay": 0.1, "clip_global_norm": 1.0},
    "--ema 0.9": {"ema": 0.9},
    "--loss mse": {"loss": "mse"},
    "--loss huber(delta=2)": {"loss": "huber(delta=2)"},
    "--loss a=mse --loss b=huber(delta=2)": {"loss": {"a": "mse", "b": "huber(delta=2)"}},
    "--loss-weights a=1,b=0.5": {"loss_weights": {"a": 1.0, "b": 0.5}},
    "--class-weights balanced": {"class_weights": "balanced"},
    "--class-weights 0=1,2=3": {"class_weights": {"0": 1.0, "2": 3.0}},
    "--metrics accuracy,f1": {"metrics": ("accuracy", "f1")},
    "--metrics accuracy --metrics f1": {"metrics": ("accuracy", "f1")},
    "--metrics a=mae,mse --metrics b=f1": {"metrics": {"a": ("mae", "mse"), "b": ("f1",)}},
    "--weights runs/x@5 --freeze conv*": {"weights": "runs/x@5", "freeze": "conv*"},
    "--precision mixed_bfloat16 --jit": {"precision": "mixed_bfloat16", "jit": True},
    "--no-jit": {"jit": False},
    "--no-stop-on-nan": {"stop_on_nan": False},
    "--measure norms --measure full": {"measure": ("norms", "full")},
    "--sites conv* --statistics tensorflow": {"sites": "conv*", "statistics": "tensorflow"},
    "--validate-every epoch": {"validate_every": "epoch"},
    "--validate-every 20": {"validate_every": 20},
    "--validation-share 0.1": {"validation_share": 0.1},
    "--early-stopping patience=3": {"early_stopping": "patience=3"},
    "--keep-best val_loss": {"keep_best": "val_loss"},
    "--keyframe-every 3 --keep-keyframes 2": {"keyframe_every": 3, "keep_keyframes": 2},
    "--augment flip": {"augment": "flip"},
    "--classes 7 --input-shape 8x8x1": {"num_classes": 7, "input_shape": (8, 8, 1)},
    "--data x.npz -o runs/y --overwrite": {"data": "x.npz", "output": "runs/y", "overwrite": True},
}


@pytest.mark.parametrize("line", EXAMPLES)
def test_option_becomes_a_setting(line):
    found = settings("net.txt", *line.split())
    assert found == {"file": "net.txt", **EXAMPLES[line]}


@pytest.mark.parametrize("line", EXAMPLES)
def test_settings_of_the_recipe_are_taken_by_it(line):
    found = settings("net.txt", *line.split())
    Recipe(**{name: x for name, x in found.items() if name in Recipe.__dataclass_fields__})


def test_every_setting_has_an_option_and_every_option_an_example():
    options = {name for topic in TOPICS.values() for name in topic}
    renamed = {"set": "settings"}
    written = {renamed.get(n, n) for table in TABLES.values() for n in table} - {"file"}
    assert written <= options
    assert options - written == {"config", "overwrite", "resume", "dry_run", "as_json"}
    assert set(NOT_IN_A_PLAN) <= options
    shown = {name for found in EXAMPLES.values() for name in found}
    lacking = written - shown - {"settings", "classes", "batch_size", "clip_value", "clip_norm"}
    assert not lacking


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(
        to_toml({
            "file": "a.txt", "set": ["a.b=1"], "classes": 3, "data": "digits", "epochs": 4,
            "learning_rate": 0.5, "clip_norm": 1.0, "jit": True, "output": "runs/a",
            "class_weights": {0: 2.0}, "measure": ["full"],
        }),
        encoding="utf-8",
    )  # fmt: skip
    return path


FROM_FILE = {
    "file": "a.txt",
    "settings": ("a.b=1",),
    "num_classes": 3,
    "data": "digits",
    "epochs": 4,
    "learning_rate": 0.5,
    "clip_norm": 1.0,
    "jit": True,
    "output": "runs/a",
    "class_weights": {0: 2.0},
    "measure": ("full",),
}


def test_a_config_file_says_the_same(config):
    assert settings("--config", config) == FROM_FILE


def test_the_command_line_wins(config):
    found = settings(
        "b.txt", "--config", config, "--lr", "0.25", "--no-jit", "--set", "c.d=2", "-o", "runs/b",
        "--classes", "5", "--measure", "off",
    )  # fmt: skip
    assert found == FROM_FILE | {
        "file": "b.txt",
        "settings": ("a.b=1", "c.d=2"),
        "num_classes": 5,
        "learning_rate": 0.25,
        "jit": False,
        "output": "runs/b",
        "measure": ("off",),
    }


def test_one_of_two_that_exclude_each_other_replaces_the_other(config):
    found = settings("--config", config, "--steps", "7", "--clip-value", "0.5")
    assert found["steps"] == 7
    assert found["clip_value"] == 0.5
    assert not {"epochs", "clip_norm"} & set(found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Error: which graph? Name its FILE, or write file = ... under [graph]"),
        (
            ("net.txt", "--steps", "3", "--epochs", "2"),
            "Error: --steps and --epochs exclude each other",
        ),
        (
            ("net.txt", "--loss", "mse", "--loss", "mae"),
            "Error: --loss is given once, or once for each output: --loss first=... --loss"
            " second=...",
        ),
        (
            ("--resume", "runs/x", "--lr", "1"),
            "Error: with --resume only --steps can be said; the run knows the rest",
        ),
        (
            ("--resume", "runs/x", "--dry-run"),
            "Error: with --resume only --steps can be said; the run knows the rest",
        ),
        (
            ("net.txt", "--steps", "0"),
            "Error: Invalid value for '--steps': '0' is no whole number from 1 on",
        ),
        (
            ("net.txt", "--class-weights", "0=x"),
            "Error: Invalid value for '--class-weights': '0=x': write numbers by name, as"
            " a=1,b=0.5",
        ),
    ],
)
def test_what_cannot_be_said(arguments, message, opgraph):
    code, out, err = opgraph("trace", *arguments)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == message


def test_a_wrong_config_is_one_error_with_its_line(tmp_path, opgraph):
    (tmp_path / "run.toml").write_text("[training]\nstep = 3\n", encoding="utf-8")
    code, _, err = opgraph("trace", "net.txt", "--config", tmp_path / "run.toml")
    assert code == 2
    assert err == (
        f"{tmp_path / 'run.toml'}:2:1  there is no setting 'step' in [training]\n"
        "   2 │ step = 3\n"
        "       ^^^^\n"
        "   did you mean 'steps'?\n"
    )


def test_help_is_by_topic(opgraph):
    code, out, _ = opgraph("trace", "--help")
    assert code == 0
    places = [out.index(f"\n{title}:\n") for title in (*TOPICS, "Other")]
    assert places == sorted(places)
    for topic in TOPICS.values():
        for name in topic:
            shown = {"settings": "set", "learning_rate": "lr", "as_json": "json"}.get(name, name)
            assert f"--{shown.replace('_', '-')}" in out
    assert "[x>=1]" not in out


def test_nothing_given_and_no_file_is_nothing():
    assert gather({"steps": None, "settings": (), "overwrite": False, "config": None}) == {}
