"""The packed vector: every number has one place, and comes back from it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from opgraph.record import MOMENTS, Layout, Site


def test_entries_cover_the_vector_without_gap_or_overlap(making: SimpleNamespace) -> None:
    covered = [
        place
        for entry in making.layout.entries
        for place in range(entry.start, entry.start + entry.size)
    ]
    assert covered == list(range(making.layout.size))


def test_scalars_come_back_from_where_they_were_packed(making: SimpleNamespace) -> None:
    layout = making.layout
    packed = np.arange(layout.size, dtype=np.float64)[None]
    for kind in ("output", "output_grad", "weight", "steps"):
        found = layout.scalars(kind, packed)
        for entry in layout.entries:
            if entry.site.kind == kind:
                column = layout.of(kind).index(entry.site)
                assert found[entry.moment][0, column] == entry.start


def test_vectors_have_the_width_of_their_site(making: SimpleNamespace) -> None:
    layout = making.layout
    packed = np.zeros((3, layout.size))
    widths = {
        site.node: {name: v.shape for name, v in layout.vectors(site, packed).items()}
        for site in layout.of("bn")
    }
    assert widths["norm"] == dict.fromkeys(MOMENTS["bn"], (3, 3))
    assert widths["norm_2"] == dict.fromkeys(MOMENTS["bn"], (3, 2))


def test_gradient_that_does_not_exist_takes_no_place(making: SimpleNamespace) -> None:
    assert Site("output_grad", "x", connected=False).moments == ()
    lost = Site("weight", "x", weight="kernel", connected=False).moments
    assert lost == ("value_sumsq", "value_nonfinite", "update_sumsq", "update_nonfinite")
    found = making.layout.scalars("output_grad", np.ones((1, making.layout.size)))
    assert np.isnan(found["sumsq"][0]).tolist() == [False, True]


def test_equal_types_lie_side_by_side(making: SimpleNamespace) -> None:
    names = [entry.moment for entry in making.layout.entries]
    counts = [i for i, name in enumerate(names) if name in ("count", "zeros") or "nonf" in name]
    vectors = [i for i, entry in enumerate(making.layout.entries) if entry.site.kind == "bn"]
    floats = [i for i, name in enumerate(names) if name in ("sum", "sumsq", "min", "loss")]
    assert max(floats) < min(counts) <= max(counts) < min(vectors)


def test_layout_without_sites_is_empty() -> None:
    assert Layout(()).size == 0
