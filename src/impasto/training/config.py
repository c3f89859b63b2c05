"""The configuration of a run: hyper-parameters, files and budget. Also the presets, including those of the papers.

The command line generates its flags and their help texts from these fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from inspect import signature
from pathlib import Path
from typing import Any, Literal

from impasto.errors import UsageError
from impasto.models.stylefile import SUFFIX
from impasto.nn.generators import NOISE_SCALES
from impasto.nn.losses import PAINTERLY, Objective
from impasto.nn.norm import NORMS
from impasto.nn.vgg import Convention
from impasto.options import check_ranges, opt
from impasto.training.device import DEVICE_HELP, Device

Precision = Literal["auto", "float32", "bfloat16"]


MAXIMUM_SEED = 2**31 - 1


def check_seed(seed: int) -> None:
    """Raise UsageError unless ``seed`` is from 0 to :data:`MAXIMUM_SEED`."""
    if not 0 <= seed <= MAXIMUM_SEED:
        raise UsageError(f"seed must be from 0 to {MAXIMUM_SEED}, not {seed}")


@dataclass(frozen=True)
class Recipe:
    """Hyper-parameters. The defaults are Impasto's own; docs/notes has the experiments behind them."""

    generator: str = opt("light", "network: light (ours), residual (Johnson 2016) or texture (Ulyanov 2016)")
    norm: str = opt("instance", "normalization: instance, batch, contrast or none")
    arguments: Mapping[str, Any] = field(
        default_factory=dict, metadata={"help": "the generator's other constructor arguments"}
    )
    objective: Objective = field(
        default=PAINTERLY,
        metadata={"help": "layers, statistics and weights of the loss"},
    )
    start: Literal["base", "nothing"] = opt(
        "base",
        "initial weights: base, those of the shipped network of this shape if there is one; or nothing, random weights",
    )
    style_size: int = opt(640, "short side of the style picture, pixels; larger makes larger strokes", least=32)
    crop: int = opt(256, "side of the crops of photos, pixels", least=32)
    first_crop: int = opt(192, "side of the crops at the start, pixels; small crops make fast steps", least=32)
    grow_at: float = opt(0.6, "fraction of the run after which crops have their full size", least=0, most=1)
    photo_from: int = opt(256, "smallest short side to which photos are scaled, pixels")
    photo_to: int = opt(512, "largest short side to which photos are scaled, pixels; results are measured at 512")
    photo_every: int = opt(
        10, "one crop in this many is learned at a strength below 1; 0: none, unless there are several styles", least=0
    )
    pool: int = opt(128, "number of distinct crops, whose content features are cached; 0: every crop is new", least=0)
    jitter: int = opt(
        16, "crops are shifted against the generator's grid by less than this, pixels; 0: not at all", least=0
    )
    batch: int = opt(1, "crops per step, over all processes (Johnson 2016: 4; texture_nets: 1)", least=1)
    muon_rate: float = opt(0.02, "Muon's learning rate, for inner convolutions; 0: Adam trains them", least=0, most=10)
    adam_rate: float = opt(
        2e-3, "Adam's learning rate, for all other weights (Johnson 2016: 1e-3 for all)", least=0, most=10
    )
    style_rate: float = opt(2e-3, "Adam's learning rate for the normalizations' scales and shifts", least=0, most=10)
    style_first: float = opt(
        0.1, "fraction of a run from the base in which only the scales and shifts are trained", least=0, most=1
    )
    longest_gradient: float = opt(
        2.0,
        "gradients are clipped to this times their mean norm, so that no crop undoes many others; 0: never",
        least=0,
        most=100,
    )
    ramp: float = opt(
        0.3, "fraction of the run over which the style weight rises, with random initial weights", least=0, most=1
    )
    decay: float = opt(1.0, "fraction of the run, at its end, over which learning rates fall to 0", least=0, most=1)
    decay_every: int = opt(
        0, "steps after which learning rates are multiplied by 0.8 (texture_nets: 2000); 0: never", least=0
    )

    def __post_init__(self) -> None:
        from impasto.nn.generators import GENERATORS

        if self.generator not in GENERATORS:
            raise UsageError(f"unknown generator '{self.generator}': choose one of {', '.join(GENERATORS)}")
        if self.norm not in NORMS:
            raise UsageError(f"unknown norm '{self.norm}': choose one of {', '.join(NORMS)}")
        if self.start not in ("base", "nothing"):
            raise UsageError(f"unknown start '{self.start}': choose one of base, nothing")
        check_ranges(self)
        if self.jitter > min(self.crop, self.first_crop):
            raise UsageError(
                f"jitter must be at most a crop's side, {min(self.crop, self.first_crop)}, not {self.jitter}"
            )
        if self.photo_every == 1:
            raise UsageError("photo-every 1 would leave no crop at full strength: give 0, or 2 or more")
        if not 32 <= self.photo_from <= self.photo_to <= 4096:
            raise UsageError(
                f"photo-from must be 32 or more and photo-to from that to 4096, not {self.photo_from}, {self.photo_to}"
            )

        for name in ("norm", "styles"):
            if name in self.arguments:
                raise UsageError(f"'{name}' is not for --set: use --norm, or give several pictures")

    @property
    def learns_photo(self) -> bool:
        """Whether a run of one style also learns to reproduce the photo, for strengths below 1."""
        return self.photo_every > 0 and self.norm in ("instance", "contrast")

    def generator_arguments(self) -> dict[str, Any]:
        """The generator's keyword arguments without ``styles``, as the model file records them.

        Defaults are included, so that a model stays the same when they change.
        """
        from impasto.nn.generators import GENERATORS

        parameters = signature(GENERATORS[self.generator]).parameters.values()
        defaults = {x.name: x.default for x in parameters if x.name != "styles"}
        return {**defaults, "norm": self.norm, **self.arguments}


@dataclass(frozen=True)
class TrainConfig:
    """One run: styles, photos, budget, and the result's path and description.

    Raises:
        UsageError: for impossible settings.
    """

    styles: tuple[Path, ...]
    output: Path
    recipe: Recipe = field(default_factory=lambda: PRESETS["impasto"])
    preset: str = opt("impasto", "the preset that the recipe is based on")
    content: Path | None = opt(
        None, "folder of photos to learn from, with its subfolders; default: the built-in photos"
    )
    held_out: Path | None = opt(
        None, "photos to measure the result by: a folder, or a text file with names of photos in the content folder"
    )
    minutes: float | None = opt(10.0, "training time, minutes")
    steps: int | None = opt(None, "number of training steps, instead of a time; makes a run repeatable", least=1)
    seed: int = opt(0, "seed of all random choices")
    threads: int | None = opt(None, "number of threads; default: one for each core that the process may use", least=1)
    device: Device = opt("auto", DEVICE_HELP)
    precision: Precision = opt("auto", "arithmetic: float32, bfloat16 or auto, the faster one")
    loss_network: Path | None = opt(None, "weights of another VGG-16 or VGG-19; default: the built-in VGG-16")
    convention: Convention = opt("torchvision", "the preprocessing those weights expect")
    title: str | None = opt(None, "title of the style picture, for the model file; default: its file name")
    license: str = opt("", "license of the style picture, for the model file")
    source: str = opt("", "source of the style picture, for the model file")

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise UsageError("give either minutes or steps, not both or neither")
        if self.minutes is not None and not 0 < self.minutes < 1e6:
            raise UsageError(f"minutes must be more than 0, not {self.minutes}")
        check_ranges(self)
        find_preset(self.preset)
        check_seed(self.seed)
        if not self.styles:
            raise UsageError("give at least one style picture")
        if len(self.styles) > 1 and (self.title or self.recipe.norm not in ("instance", "contrast")):
            raise UsageError("several styles: leave --title out, and use --norm instance or contrast")
        if len({path.stem for path in self.styles}) < len(self.styles):
            raise UsageError("two style pictures have the same file name: rename one, as it names the style")
        if len(self.styles) > 1:
            if self.output.suffix:
                raise UsageError(f"{self.output}: several styles make a folder: give a name without an extension")
        elif self.output.suffix not in (".onnx", SUFFIX):
            raise UsageError(
                f"{self.output}: a model's name ends in .onnx, a style's for the shared network in {SUFFIX}"
            )
        if self.style_only and self.recipe.start != "base":
            raise UsageError(
                f"a style file ({SUFFIX}) needs the shared network: leave --start out, and use no preset but fast"
            )

    @property
    def style_only(self) -> bool:
        """Whether only a style file is made: scales and shifts for the shared network, whose weights are fixed."""
        return len(self.styles) == 1 and self.output.suffix == SUFFIX


# The papers' recipes. Comments name the values that differ from a paper; docs/papers.md lists all differences. All use
# crops of one size and never repeat a crop; all but the last have constant learning rates.
_PUBLISHED = Recipe(
    start="nothing",
    style_size=256,
    first_crop=256,
    jitter=0,
    grow_at=0.0,
    photo_from=256,
    photo_to=256,
    photo_every=0,
    pool=0,
    muon_rate=0.0,
    adam_rate=1e-3,
    style_rate=1e-3,
    longest_gradient=0.0,
    ramp=0.0,
    decay=0.0,
)
_JOHNSON_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
_ULYANOV_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")

PRESETS: Mapping[str, Recipe] = {
    "impasto": Recipe(arguments={"noise_scales": NOISE_SCALES}),
    # The same for the fast network, which has half the channels.
    "fast": Recipe(arguments={"width": 64, "noise_scales": NOISE_SCALES}),
    # Johnson, Alahi, Fei-Fei 2016 with batch normalization; fast-neural-style, models.lua and train.lua. The content
    # layer is the paper's. Content to style is 1 : 5 on Caffe's features; those of torchvision's VGG are some 140
    # times smaller and the style term is quartic in them, the content term quadratic: 1 : 1e5, as in pytorch/examples.
    "johnson2016": replace(
        _PUBLISHED,
        generator="residual",
        norm="batch",
        arguments={
            "width": 32,
            "blocks": 5,
            "upsample": "transposed",
            "padding": "reflect-start",
            "output": "tanh150",
            "bound": 0.0,
            "negative_slope": 0.0,
            "limit": 0.0,
        },
        objective=Objective(
            scaling="raw",
            content_layers=("relu2_2",),
            style_layers=_JOHNSON_LAYERS,
            content_weight=1.0,
            style_weight=1e5,
            tv_weight=1e-6,
        ),
        batch=4,
    ),
    # Ulyanov, Lebedev, Vedaldi, Lempitsky 2016 (texture_nets, branch texture_nets_v1): noise at every scale, batch
    # normalization, circular padding, leaky ReLU. Learning rate x 0.8 every 300 steps there; here it is constant.
    "ulyanov2016": replace(
        _PUBLISHED,
        generator="texture",
        norm="batch",
        arguments={
            "noise": 3,
            "padding": "circular",
            "negative_slope": 0.01,
            "output": "linear",
            "standardize": False,
        },
        objective=Objective(
            scaling="raw",
            content_layers=("relu4_2",),
            style_layers=(*_ULYANOV_LAYERS, "relu5_1"),
            content_weight=0.6,
            style_weight=1e5,
        ),
        adam_rate=1e-1,
        style_rate=1e-1,
        batch=4,
    ),
    # Ulyanov, Vedaldi, Lempitsky 2016 (the instance normalization paper; texture_nets, master, train.lua): the same
    # pyramid without noise, instance normalization with scales starting in [0, 1], replicated borders.
    "ulyanov2017": replace(
        _PUBLISHED,
        generator="texture",
        norm="instance",
        arguments={
            "noise": 0,
            "padding": "replicate",
            "output": "linear",
            "norm_init": "uniform",
            "standardize": False,
        },
        objective=Objective(
            scaling="raw",
            content_layers=("relu4_2",),
            style_layers=_ULYANOV_LAYERS,
            content_weight=1.0,
            style_weight=1e5,
        ),
        decay_every=2000,
    ),
}


def find_preset(name: str) -> Recipe:
    """Return the recipe of a preset. Raises UsageError if there is none of this name."""
    if name not in PRESETS:
        raise UsageError(f"unknown preset '{name}': choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
