"""Make every picture of docs/gallery anew, and its index.

    python tools/gallery.py [NAME ...]

The same bytes every time; those of a training take TensorFlow and half a minute.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import generate  # noqa: E402

import opgraph  # noqa: E402
from opgraph.analysis import diff_graphs  # noqa: E402
from opgraph.api import Graph, Run  # noqa: E402
from opgraph.render import draw_diff_svg  # noqa: E402

GALLERY = ROOT / "docs" / "gallery"
STEPS = 120


class Exhibit(NamedTuple):
    """A picture.

    Attributes:
        title: what it is called in the index.
        how: the command that makes it, for readers.
        make: makes it.
        trains: whether a training is needed.
    """

    title: str
    how: str
    make: Callable[[], str]
    trains: bool = False


def sample(name: str) -> Graph:
    """One of the sample graphs."""
    return opgraph.read(next((ROOT / "sample_graphs").glob(f"{name}.*")))


def drawn(name: str, **options: Any) -> str:
    """The picture of a sample graph."""
    return sample(name).draw(**options)


def generated(make: Callable[[int], str], name: str, size: int = 0, **options: Any) -> str:
    """The picture of a graph that benchmarks/generate.py writes."""
    return opgraph.read(make(size), name=name).draw(**options)


def wrong() -> str:
    """Two shapes that do not fit."""
    return opgraph.read(ROOT / "sample_graphs" / "broken" / "shape_mismatch.txt").draw()


EDITS = {
    "b1_conv2[filters=16,": "b1_conv2[filters=16, kernel_size=5,",
    "b2_shortcut": "b2_projection",
    "b2_bn1 -> ": "",
    "gap -> logits": "gap -> dropout[rate=0.2] -> logits",
    "b1_bn2, stem_relu ->": "b1_bn2, stem_bn ->",
}


def compared() -> str:
    """The residual blocks, and what one might make of them."""
    text = (ROOT / "sample_graphs" / "residual.txt").read_text(encoding="utf-8")
    for old, new in EDITS.items():
        text = text.replace(old, new)
    graphs = sample("residual"), opgraph.read(text, name="edited")
    return draw_diff_svg(diff_graphs(*(graph.analyze() for graph in graphs)))


@cache
def training() -> Run:
    """A short training of the sample network; its numbers are the same on every machine alike."""
    place = Path(tempfile.mkdtemp()) / "demo"
    return opgraph.trace(
        sample("cnn").set("batch_norm*.momentum=0.9"), "digits", output=place, steps=STEPS, seed=0
    )


def trained(**options: Any) -> str:
    """The sample network with numbers of its training."""
    return training().draw(**options)


def moving() -> str:
    """The sample network over its training."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "training.svg"
        opgraph.animate(training(), path, title="cnn")
        return path.read_text(encoding="utf-8")


COSTS = {"annotate": "shape,params,flops", "color_by": "flops"}
EXHIBITS: Mapping[str, Exhibit] = {
    **{
        path.stem: Exhibit(
            path.stem.replace("_", " "),
            f"opgraph draw sample_graphs/{path.name}",
            partial(drawn, path.stem),
        )
        for path in sorted((ROOT / "sample_graphs").glob("*.*"))
    },
    "cnn-dark": Exhibit(
        "dark theme", "opgraph draw sample_graphs/cnn.txt --theme dark",
        partial(drawn, "cnn", theme="dark"),
    ),
    "cnn-print": Exhibit(
        "black and white", "opgraph draw sample_graphs/cnn.txt --theme print",
        partial(drawn, "cnn", theme="print"),
    ),
    "residual-sideways": Exhibit(
        "left to right", "opgraph draw sample_graphs/residual.txt --direction LR",
        partial(drawn, "residual", direction="LR"),
    ),
    "cnn-costs": Exhibit(
        "what each node costs",
        "opgraph draw sample_graphs/cnn.txt --annotate shape,params,flops --color-by flops",
        partial(drawn, "cnn", **COSTS),
    ),
    "lenet5-volume": Exhibit(
        "in space", "opgraph draw sample_graphs/lenet5.txt --style volume",
        partial(drawn, "lenet5", style="volume"),
    ),
    "cnn-volume": Exhibit(
        "normalisation and activation as slabs",
        "opgraph draw sample_graphs/cnn.txt --style volume",
        partial(drawn, "cnn", style="volume"),
    ),
    "wrong": Exhibit(
        "shapes that do not fit", "opgraph draw sample_graphs/broken/shape_mismatch.txt", wrong
    ),
    "difference": Exhibit(
        "what changed", "opgraph diff sample_graphs/residual.txt edited.txt -o difference.svg",
        compared,
    ),
    "resnet50": Exhibit(
        "ResNet-50, folded", "opgraph draw resnet50.txt",
        partial(generated, generate.resnet50, "ResNet-50"),
    ),
    "mobilenet_v3": Exhibit(
        "MobileNetV3, folded", "opgraph draw mobilenet_v3.txt",
        partial(generated, generate.mobilenet_v3, "MobileNetV3"),
    ),
    "transformer12": Exhibit(
        "a transformer of 12 blocks, folded", "opgraph draw transformer.txt",
        partial(generated, generate.transformer, "transformer of 12 blocks", 12),
    ),
    "cnn-gradients": Exhibit(
        "gradients of a training",
        "opgraph draw --run runs/demo --annotate shape,grad_norm,update_ratio"
        " --color-by output_grad.norm --step 60",
        partial(trained, annotate="shape,grad_norm,update_ratio", color_by="output_grad.norm",
                step=60),
        trains=True,
    ),
    "cnn-training": Exhibit(
        "a training that moves", "opgraph animate runs/demo -o training.svg", moving, trains=True
    ),
}  # fmt: skip


def index() -> str:
    """The page that shows them all."""
    lines = [
        "# Gallery",
        "",
        "Pictures that opgraph draws, as they come. `make gallery` makes all of them anew, the same"
        " bytes every time. ResNet-50, MobileNetV3 and the transformer are written by"
        " `benchmarks/generate.py`; `runs/demo` is what `make demo` records.",
    ]
    for name, exhibit in EXHIBITS.items():
        lines += ["", f"## {exhibit.title[0].upper()}{exhibit.title[1:]}", ""]
        lines += [f"`{exhibit.how}`", "", f"![{exhibit.title}]({name}.svg)"]
    return "\n".join(lines) + "\n"


def main(names: list[str]) -> int:
    """Make the pictures of these names, or all of them and the index."""
    GALLERY.mkdir(parents=True, exist_ok=True)
    for name in names or EXHIBITS:
        (GALLERY / f"{name}.svg").write_text(EXHIBITS[name].make(), encoding="utf-8", newline="\n")
        print(f"docs/gallery/{name}.svg")
    if not names:
        (GALLERY / "README.md").write_text(index(), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
