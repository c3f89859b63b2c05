"""Stylizers of Python functions: tests of everything around a network need no model."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from impasto.models.forms import Form
from impasto.models.modelfile import ModelInfo
from impasto.models.stylefile import Style
from impasto.painting.engine import Array, Runner
from impasto.painting.network import Graph, Network
from impasto.painting.stylizer import Stylizer
from impasto.pictures.picture import Pixels


class FakeRunner(Runner):
    def __init__(self, function: Callable[[Mapping[str, Array]], Array]) -> None:
        self._function = function

    def run_all(self, inputs: Mapping[str, Array]) -> list[Array]:
        return [self._function(inputs)]


class FakeGraph(Graph):
    """A graph whose plain form is a function; other forms are those of another graph, if there is one."""

    def __init__(self, function: Callable[[Mapping[str, Array]], Array], others: Graph | None = None) -> None:
        self._function = function
        self._others = others

    def runner(self, form: Form) -> Runner:
        if form == "plain":
            return FakeRunner(self._function)
        assert self._others is not None, f"there is no {form} form"
        return self._others.runner(form)

    @property
    def norms(self) -> Any:
        assert self._others is not None
        return self._others.norms


def fake_info(**changes: Any) -> ModelInfo:
    """The description of a network that cannot paint in tiles."""
    return ModelInfo(**{"architecture": "texture", "arguments": {}, "styles": ("a",)} | changes)


def fake_stylizer(
    function: Callable[[Mapping[str, Array]], Array], info: ModelInfo | None = None, style: Style | None = None
) -> Stylizer:
    return Stylizer(Network(info or fake_info(), FakeGraph(function)), style)


def fake(function: Callable[[Mapping[str, Array]], Array] = lambda inputs: inputs["image"], **changes: Any) -> Stylizer:
    """A stylizer of this function, with these entries in its description."""
    return fake_stylizer(function, fake_info(**changes))


def random_picture(height: int, width: int, seed: int = 0) -> Pixels:
    picture: Pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return picture
