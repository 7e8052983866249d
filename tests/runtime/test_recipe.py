"""Everything that may be chosen about a training, and the messages about it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from opgraph.errors import OpgraphError, TraceError
from opgraph.runtime.recipe import Recipe, Settings, defaults
from opgraph.runtime.schedules import make_schedule

pytestmark = pytest.mark.tf  # the package opgraph.runtime.data is read along


def test_settings_and_fields_are_the_same() -> None:
    assert list(get_type_hints(Settings)) == [field.name for field in fields(Recipe)]


def test_every_field_is_explained() -> None:
    for field in fields(Recipe):
        assert f"        {field.name}: " in (Recipe.__doc__ or "")


def test_plain_data_and_back() -> None:
    recipe = Recipe(
        steps=7,
        optimizer="adamw(beta_2=0.9)",
        loss={"a": "mse", "b": "huber(delta=2)"},
        loss_weights={"a": 0.5},
        class_weights={0: 1, 2: 3.5},
        metrics={"a": ("mae", "rmse")},
        measure=("norms", "full"),
        early_stopping="patience=2",
        precision="mixed_bfloat16",
    )
    assert Recipe.from_dict(json.loads(json.dumps(recipe.as_dict()))) == recipe


def test_defaults_are_those_of_an_empty_recipe() -> None:
    assert Recipe.from_dict(defaults()) == Recipe()


def test_a_function_is_named_not_kept() -> None:
    def halved(labels: Any, output: Any) -> Any:
        return abs(output - labels) / 2

    assert Recipe(loss=halved).as_dict()["loss"].startswith("custom:")
    assert Recipe(loss=halved).as_dict()["loss"].endswith("halved")


def test_no_schedule_is_a_constant_one() -> None:
    assert Recipe(schedule=None) == Recipe(schedule="constant")


def test_names_by_comma() -> None:
    assert Recipe(metrics="accuracy, f1", measure="full").metrics == ("accuracy", "f1")


@pytest.mark.parametrize(
    ("recipe", "per_epoch", "steps"),
    [
        (Recipe(), 10, 300),
        (Recipe(steps=5), 10, 5),
        (Recipe(epochs=3), 10, 30),
        (Recipe(epochs=3, accumulate=4), 10, 30),
    ],
)
def test_number_of_updates(recipe: Recipe, per_epoch: int, steps: int) -> None:
    assert recipe.total_steps(per_epoch) == steps


def test_keyframes_are_a_tenth_apart_and_all_are_kept() -> None:
    assert [Recipe().keyframes.interval(n) for n in (3, 10, 95)] == [1, 1, 10]
    assert Recipe().keyframes.keep is None
    chosen = Recipe(keyframe_every=4, keep_keyframes=9).keyframes
    assert (chosen.interval(95), chosen.keep) == (4, 9)
    with pytest.raises(OpgraphError, match=r"keyframes.keep: expected at least 2, received 1"):
        Recipe(keep_keyframes=1)


def test_recipe_makes_its_optimizer() -> None:
    recipe = Recipe(optimizer="sgd", schedule="linear", clip_norm=2.0, weight_decay=0.1, ema=0.9)
    made = recipe.make_optimizer(50).get_config()
    chosen = {name: made[name] for name in ("clipnorm", "clipvalue", "weight_decay", "use_ema")}
    assert chosen == {"clipnorm": 2.0, "clipvalue": None, "weight_decay": 0.1, "use_ema": True}
    assert made["ema_momentum"] == 0.9
    assert made["learning_rate"]["config"]["decay_steps"] == 50


def test_watching_validation_asks_for_validation() -> None:
    assert Recipe().controllers().validation is None
    validation = Recipe(early_stopping="3").controllers().validation
    assert validation is not None
    assert validation.every == "epoch"
    assert Recipe(early_stopping="patience=3, monitor=loss").controllers().validation is None


def test_a_recipe_is_checked_without_keras() -> None:
    code = (
        "import sys; from opgraph.runtime.recipe import Recipe\n"
        "Recipe(schedule='plateau(patience=2)', early_stopping='5', class_weights={1: 2})\n"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, "steps: expected a positive number, received 0"),
        ({"batch_size": 2.5}, "batch_size: expected a positive number, received 2.5"),
        ({"batch_size": None}, "batch_size: expected a positive number, received None"),
        ({"accumulate": True}, "accumulate: expected a positive number, received True"),
        ({"seed": "a"}, "seed: expected a whole number, received 'a'"),
        (
            {"learning_rate": float("inf")},
            "learning_rate: expected a positive number, received inf",
        ),
        ({"clip_norm": -1}, "clip_norm: expected a positive number, received -1"),
        ({"weight_decay": -1}, "weight_decay: expected a number from 0 on, received -1"),
        ({"ema": 1}, "ema: expected a number from 0 up to below 1, received 1"),
        (
            {"label_smoothing": 1.5},
            "label_smoothing: expected a number from 0 up to below 1, received 1.5",
        ),
        (
            {"validation_share": 1},
            "validation_share: expected a number between 0 and 1, received 1",
        ),
        (
            {"accumulate": 8, "batch_size": 4},
            "accumulate: a batch of 4 cannot be taken in 8 parts",
        ),
        ({"jit": "yes"}, "jit: expected true or false, received 'yes'"),
        ({"freeze": " "}, "freeze: expected a text, received ' '"),
        ({"metrics": [3]}, "metrics: expected names, received 3"),
        (
            {"validate_every": 0},
            "validate_every: expected epoch or a positive number of steps, received 0",
        ),
        (
            {"precision": "float16"},
            "precision: expected one of mixed_float16, mixed_bfloat16, received 'float16'\n"
            "   did you mean 'mixed_float16'?",
        ),
        (
            {"statistics": None},
            "statistics: expected one of auto, kernel, tensorflow, received None",
        ),
        ({"steps": 1, "epochs": 2}, "steps: steps and epochs exclude each other"),
        (
            {"clip_norm": 1, "clip_value": 1},
            "clip_value: clip_value and clip_norm exclude each other",
        ),
        (
            {"class_weights": "even"},
            "class_weights: expected balanced or factors such as 0=1,1=3, received 'even'",
        ),
        (
            {"class_weights": {"cat": 1}},
            "class_weights: expected a class id such as 0, received 'cat'",
        ),
        (
            {"class_weights": {0: -1}},
            "class_weights: class 0: expected a number from 0 on, received -1",
        ),
        (
            {"early_stopping": ""},
            "early_stopping: expected a patience, such as 5, received nothing",
        ),
        (
            {"optimizer": "adam("},
            "optimizer: 'adam(' cannot be read: '(' is not closed\n"
            "   write a name, or a name with arguments: name(first=1, second=0.5)",
        ),
        ({"stepz": 3}, "stepz: there is no such setting\n   did you mean 'steps'?"),
    ],
)
def test_what_a_recipe_cannot_be(values: dict[str, Any], message: str) -> None:
    with pytest.raises(TraceError) as caught:
        Recipe.from_dict(values)
    assert str(caught.value) == message


def test_everything_that_can_be_said_stands_in_the_reference() -> None:
    from opgraph.runtime.controllers import make_controllers
    from opgraph.runtime.losses import LOSSES
    from opgraph.runtime.metrics import METRICS
    from opgraph.runtime.optimizer import OPTIMIZERS
    from opgraph.runtime.schedules import SCHEDULES

    page = Path(__file__).parents[2] / "docs" / "reference" / "training.md"
    text = page.read_text(encoding="utf-8")
    names = [field.name for field in fields(Recipe)]
    for name in (*names, *OPTIMIZERS, *SCHEDULES, *LOSSES, *METRICS):
        assert re.search(rf"`{name}[`( ]", text), name
    for written in re.findall(r"^\| `(\w+\([^`]+\))`", text, re.M):
        make_schedule(0.1, written, 1000)
        make_controllers(schedule=written)
