"""The options of `opgraph trace`, by topic, and the settings that they and a config file make.

Owns how settings are written on the command line; what they mean is said by the recipe. An option
that is not given says nothing, so that a config file or the default holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from opgraph.cli.options import ShapeType

Function = TypeVar("Function", bound=Callable[..., Any])
# Settings that exclude each other: one on the command line replaces the other of a file.
RIVALS = (("steps", "epochs"), ("clip_value", "clip_norm", "clip_global_norm"))
FLAGS = ("overwrite",)
NOT_IN_A_PLAN = ("output", "overwrite")


class Count(click.ParamType):
    """A whole number from 1 on."""

    name = "N"

    def convert(  # noqa: D102
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        if isinstance(value, str) and (not value.isdecimal() or int(value) < 1):
            self.fail(f"{value!r} is no whole number from 1 on", param, ctx)
        return int(value)


class Pairs(click.ParamType):
    """Numbers by name, as 0=1,1=3; or a single word."""

    name = "NAME=NUMBER,..."

    def convert(  # noqa: D102
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        if not isinstance(value, str) or "=" not in value:
            return value
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        try:
            return {name.strip(): float(number) for name, _, number in pairs}
        except ValueError:
            self.fail(f"{value!r}: write numbers by name, as a=1,b=0.5", param, ctx)


class Interval(click.ParamType):
    """`epoch`, or a number of steps."""

    name = "epoch|N"

    def convert(  # noqa: D102
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        return int(value) if str(value).isdecimal() else value


class Sections(click.Command):
    """A command whose help shows its options by topic."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each topic with its options."""
        records = {p.name: p.get_help_record(ctx) for p in self.get_params(ctx)}
        for title, options in TOPICS.items():
            rows = [record for name in options if (record := records.pop(name, None))]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
        records.pop("file", None)  # stands in the text above
        rest = [record for record in records.values() if record]
        with formatter.section("Other"):
            formatter.write_dl(rest)


def _option(*names: str, **settings: Any) -> Any:
    return click.option(*names, default=None, **settings)


def _count(name: str, help: str) -> Any:
    return _option(name, type=Count(), help=help)


TOPICS: dict[str, dict[str, Any]] = {
    "Graph and data": {
        "settings": click.option("--set", "settings", multiple=True, metavar="GLOB.ATTR=VALUE",
            help="Override an attribute of all nodes that a glob matches."),
        "input_shape": _option("--input-shape", type=ShapeType(),
            help="Shape of one example, for inputs that do not say theirs."),
        "classes": _count("--classes",
            help="Outputs of the last dense layer, where it does not say."),
        "data": _option("--data",
            help="digits (default), a Keras dataset, data.npz, data.csv, a folder of images,"
            " synthetic:KIND."),
        "augment": _option("--augment", metavar="CHANGES",
            help="Vary pictures at random: flip, shift=0.1, ..."),
        "weights": _option("--weights", metavar="FILE|RUN[@STEP]",
            help="Start from these weights, by node name."),
        "freeze": _option("--freeze", metavar="GLOBS", help="Leave the weights of nodes alone."),
        "config": click.option("--config", default=None, metavar="FILE.toml",
            help="Read all of this from a file; options win over it."),
    },
    "Length and order": {
        "steps": _count("--steps", help="Optimizer updates; 300 by default."),
        "epochs": _count("--epochs", help="Passes over the data instead."),
        "batch_size": _count("--batch-size", help="Examples in a batch; 32."),
        "accumulate": _count("--accumulate", help="Take each batch in N parts; 1."),
        "seed": _option("--seed", type=int, metavar="N",
            help="Of weights, dropout and data order; 0."),
        "order_seed": _option("--order-seed", type=int, metavar="N",
            help="Of the data order alone; that of --seed."),
    },
    "Optimizer": {
        "optimizer": _option("--optimizer",
            help="adam (default), sgd, momentum, 'adamw(beta_2=0.98)', ..."),
        "learning_rate": _option("--lr", "--learning-rate", "learning_rate", type=float,
            help="Highest learning rate; 0.003."),
        "schedule": _option("--schedule",
            help="cosine (default), constant, 'cosine(warmup=50)', 'plateau(patience=3)', ..."),
        "weight_decay": _option("--weight-decay", type=float,
            help="Share of each weight that goes at each update, times the learning rate."),
        "clip_value": _option("--clip-value", type=float, help="Clip elements of gradients."),
        "clip_norm": _option("--clip-norm", type=float, help="Clip the norm of each gradient."),
        "clip_global_norm": _option("--clip-global-norm", type=float,
            help="Clip the norm of all gradients together."),
        "ema": _option("--ema", type=float, metavar="MOMENTUM",
            help="Keep a moving average of the weights, such as 0.99."),
    },
    "Loss and metrics": {
        "loss": click.option("--loss", multiple=True, metavar="[OUTPUT=]LOSS",
            help="mse, 'huber(delta=2)', ...; what suits the last node by default."),
        "loss_weights": _option("--loss-weights", type=Pairs(), help="Factors by output."),
        "class_weights": _option("--class-weights", type=Pairs(), metavar="balanced|0=1,1=3",
            help="How much each class counts."),
        "label_smoothing": _option("--label-smoothing", type=float, metavar="SHARE",
            help="Take this share of certainty from the right class."),
        "metrics": click.option("--metrics", multiple=True, metavar="[OUTPUT=]NAME,...",
            help="accuracy, top_5_accuracy, mae, ..."),
    },
    "Validation": {
        "validate_every": _option("--validate-every", type=Interval(), metavar="epoch|N",
            help="Test on held-out training examples."),
        "validation_share": _option("--validation-share", type=float, metavar="SHARE",
            help="Of the training examples, held out for it; 0.2."),
        "early_stopping": _option("--early-stopping", metavar="PATIENCE",
            help="5, or 'patience=5, monitor=val_accuracy, restore_best=true'."),
        "keep_best": _option("--keep-best", metavar="FIGURE",
            help="Keep the best state by this figure, such as val_loss."),
    },
    "Numbers": {
        "precision": _option("--precision", metavar="mixed_float16|mixed_bfloat16",
            help="Compute in half precision; float32 by default."),
        "jit": _option("--jit/--no-jit", help="Compile the core of the step with XLA."),
        "stop_on_nan": _option("--stop-on-nan/--no-stop-on-nan",
            help="End when the loss is no number; on by default."),
    },
    "Measuring": {
        "measure": click.option("--measure", multiple=True, metavar="WHAT",
            help="off, norms, default, full, or a quantity with a schedule."),
        "sites": _option("--sites", metavar="GLOBS", help="Nodes and weights to measure."),
        "statistics": _option("--statistics", metavar="auto|kernel|tensorflow",
            help="What computes them; auto."),
        "keyframe_every": _count("--keyframe-every",
            help="Steps between two full states; a tenth of the training."),
        "keep_keyframes": _count("--keep-keyframes", help="How many are kept; all."),
    },
    "Output": {
        "output": _option("-o", "--output", help="Run directory; runs/latest."),
        "overwrite": click.option("--overwrite", is_flag=True,
            help="Replace a run that is there already."),
        "resume": _option("--resume", metavar="RUN",
            help="Go on with a run that was stopped; only --steps goes with it."),
        "dry_run": click.option("--dry-run", is_flag=True,
            help="Say what it will take; train nothing."),
        "as_json": click.option("--json", "as_json", is_flag=True, help="Print JSON."),
    },
}  # fmt: skip


def trace_options(function: Function) -> Function:
    """All options, in the order of the topics, and FILE."""
    options = [option for topic in TOPICS.values() for option in topic.values()]
    for option in reversed([click.argument("file", required=False), *options]):
        function = option(function)
    return function


def gather(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings for `api.trace`: those of the config file, and those given, which win.

    Args:
        given: what was on the command line, by name; `config` is the file.

    Raises:
        OpgraphError: the file cannot be read or says something wrong.
    """
    values = _from_file(given["config"]) if given["config"] is not None else {}
    own = {name: x for name, x in given.items() if x not in (None, ()) and name != "config"}
    own = {name: value for name, value in own.items() if value or name not in FLAGS}
    for name, read in (("loss", by_output), ("metrics", names_by_output)):
        if name in own:
            own[name] = read(own[name], f"--{name}")
    own["settings"] = (*values.pop("set", ()), *own.pop("settings", ()))
    for rivals in RIVALS:
        if any(name in own for name in rivals):
            values = {name: x for name, x in values.items() if name not in rivals}
    values |= own
    if "classes" in values:
        values["num_classes"] = values.pop("classes")
    return {name: value for name, value in values.items() if value != ()}


def by_output(texts: Sequence[str], option: str) -> Any:
    """One word for all outputs, or one for each.

    >>> by_output(("huber(delta=2)",), "--loss"), by_output(("a=mse", "b=mae"), "--loss")
    ('huber(delta=2)', {'a': 'mse', 'b': 'mae'})
    """
    pairs = [re.match(r"([^=()]+)=(.+)", text) for text in texts]
    if all(pairs):
        return {pair[1].strip(): pair[2].strip() for pair in pairs if pair}
    if any(pairs) or len(texts) > 1:
        example = f"{option} first=... {option} second=..."
        raise click.UsageError(f"{option} is given once, or once for each output: {example}")
    return texts[0]


def names_by_output(texts: Sequence[str], option: str) -> Any:
    """Names for all outputs, or names for each.

    >>> names_by_output(("accuracy,f1",), "--metrics"), names_by_output(("a=mae",), "--metrics")
    (('accuracy', 'f1'), {'a': ('mae',)})
    """
    if any("=" in text for text in texts):
        found = by_output(texts, option)
        return {output: _words(names) for output, names in found.items()}
    return tuple(name for text in texts for name in _words(text))


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _from_file(path: str) -> dict[str, Any]:
    from opgraph.api.extras import needed_for

    with needed_for("training"):
        from opgraph.runtime.config import read_config
    return dict(read_config(path).values)
