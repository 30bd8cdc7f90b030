"""The page of plots shows what was measured, and says what was not."""

from benchmarks.__main__ import benchmarks
from benchmarks.page import PLOTS, page


def test_every_figure_that_was_measured_is_drawn_with_its_number() -> None:
    """A reader sees the figures themselves, and when they were measured."""
    figures = {"arrow_us": 2.37, "homeroom_us": 5.03, "messages_us": 167.41}
    drawn = page({"alternatives": {"told": "on a Monday <load 2>", "result": figures}})
    for figure in figures.values():
        assert f">{figure:.2f}" in drawn
    assert "on a Monday &lt;load 2&gt;" in drawn
    assert "JSON over HTTP" not in drawn


def test_what_was_not_measured_is_named_with_its_command() -> None:
    """A gap in the page must not look like a zero."""
    drawn = page({})
    assert "<svg" not in drawn
    for plot in PLOTS:
        assert f"make bench B={plot.benchmark}" in drawn


def test_each_plot_is_of_a_benchmark_that_there_is() -> None:
    """Else its command could not be run."""
    assert {plot.benchmark for plot in PLOTS} <= benchmarks().keys()
