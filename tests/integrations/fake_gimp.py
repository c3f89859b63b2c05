"""The part of GIMP 3's Python interface that the plug-in uses, with layers that are arrays."""

import types
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow


class Layer:
    """A layer: pixels (H, W, 4) and a place."""

    def __init__(self, pixels: Any, name: str = "layer", place: tuple[int, int] = (0, 0)) -> None:
        self.pixels = np.asarray(pixels)
        self.name = name
        self.place = place

    def get_width(self) -> int:
        return int(self.pixels.shape[1])

    def get_height(self) -> int:
        return int(self.pixels.shape[0])

    def get_name(self) -> str:
        return self.name

    def set_name(self, name: str) -> None:
        self.name = name

    def get_offsets(self) -> tuple[bool, int, int]:
        return True, *self.place

    def set_offsets(self, left: int, top: int) -> None:
        self.place = (left, top)

    def get_parent(self) -> None:
        return None

    @staticmethod
    def new_from_drawable(layer: "Layer", image: "Image") -> "Layer":
        return Layer(layer.pixels.copy(), layer.name, layer.place)


class Image:
    """An image: layers from the top, and what happened to it."""

    def __init__(self, layers: list[Layer] | None = None) -> None:
        self.layers = layers or []
        self.undo: list[str] = []
        self.deleted = False

    @staticmethod
    def new(width: int, height: int, kind: Any) -> "Image":
        assert kind == "RGB"
        assert width > 0 < height
        made = Image()
        created.append(made)
        return made

    def insert_layer(self, layer: Layer, parent: Any, position: int) -> None:
        self.layers.insert(position, layer)

    def get_item_position(self, layer: Layer) -> int:
        return self.layers.index(layer)

    def undo_group_start(self) -> None:
        self.undo.append("start")

    def undo_group_end(self) -> None:
        self.undo.append("end")

    def delete(self) -> None:
        self.deleted = True


created: list[Image] = []


class Procedure:
    """A procedure: its arguments with their defaults, and the values that it returned."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.arguments: dict[str, Any] = {}
        self.choices: dict[str, list[str]] = {}
        self.limits: dict[str, tuple[float, float]] = {}
        self.facts: list[tuple[Any, ...]] = []

    @staticmethod
    def new(plugin: Any, name: str, kind: str, run: Any, data: Any) -> "Procedure":
        assert kind == "PLUGIN"
        assert callable(run)
        return Procedure(name)

    def add_choice_argument(self, name: str, nick: str, blurb: str, choice: "Choice", value: str, flags: Any) -> None:
        assert value in choice.names
        self.arguments[name], self.choices[name] = value, choice.names

    def add_string_argument(self, name: str, nick: str, blurb: str, value: str, flags: Any) -> None:
        self.arguments[name] = value

    def add_double_argument(
        self, name: str, nick: str, blurb: str, least: float, most: float, value: float, flags: Any
    ) -> None:
        assert least <= value <= most
        self.arguments[name], self.limits[name] = value, (least, most)

    def new_return_values(self, status: str, error: Any) -> tuple[str, Any]:
        return status, error

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("set_", "add_menu_path")):
            return lambda *values: self.facts.append((name, *values))
        raise AttributeError(name)


class Choice:
    """The values of a choice."""

    def __init__(self) -> None:
        self.names: list[str] = []

    @staticmethod
    def new() -> "Choice":
        return Choice()

    def add(self, nick: str, number: int, label: str, help: str) -> None:
        assert number == len(self.names)
        self.names.append(nick)


class Config:
    """The values of a procedure's arguments."""

    def __init__(self, procedure: Procedure, **changes: Any) -> None:
        self.values = {**procedure.arguments, **changes}

    def get_property(self, name: str) -> Any:
        return self.values[name]


class Dialog:
    """A dialog that the user closes with `answer`."""

    answer = True
    shown: list[str] = []  # noqa: RUF012 (one list for all)

    @staticmethod
    def new(procedure: Procedure, config: Config, title: str) -> "Dialog":
        Dialog.shown.append(title)
        return Dialog()

    def fill(self, names: Any) -> None:
        assert names is None

    def run(self) -> bool:
        return Dialog.answer

    def destroy(self) -> None:
        pass


def _save(mode: str, image: Image, file: Path, options: Any) -> bool:
    (layer,) = image.layers
    Pillow.fromarray(layer.pixels).save(file)
    return True


def _load(mode: str, image: Image, file: Path) -> Layer:
    return Layer(np.asarray(Pillow.open(file).convert("RGBA")))


def modules() -> dict[str, types.ModuleType]:
    """`gi` and `gi.repository`, for `sys.modules`."""
    created.clear()
    Dialog.shown.clear()
    Dialog.answer = True
    space = types.SimpleNamespace
    statuses = {name: name for name in ("SUCCESS", "CANCEL", "EXECUTION_ERROR", "CALLING_ERROR")}
    gimp = space(
        PlugIn=type("PlugIn", (), {"__gtype__": "type"}),
        ImageProcedure=Procedure,
        PDBProcType=space(PLUGIN="PLUGIN"),
        PDBStatusType=space(**statuses),
        ProcedureSensitivityMask=space(DRAWABLE=1),
        RunMode=space(INTERACTIVE="INTERACTIVE", NONINTERACTIVE="NONINTERACTIVE"),
        ImageBaseType=space(RGB="RGB"),
        Choice=Choice,
        Image=Image,
        Layer=Layer,
        file_save=_save,
        file_load_layer=_load,
        progress_init=lambda text: True,
        displays_flush=lambda: None,
    )
    gi, repository = types.ModuleType("gi"), types.ModuleType("gi.repository")
    gi.require_version = lambda name, version: None  # type: ignore[attr-defined]
    for name, value in {
        "Gimp": gimp,
        "GimpUi": space(init=lambda name: None, ProcedureDialog=Dialog),
        "Gio": space(File=space(new_for_path=Path)),
        "GLib": space(Error=RuntimeError),
        "GObject": space(ParamFlags=space(READWRITE=3)),
    }.items():
        setattr(repository, name, value)
    return {"gi": gi, "gi.repository": repository}
