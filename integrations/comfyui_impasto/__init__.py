"""Impasto in ComfyUI: a node that repaints images in the style of one picture, on the CPU.

Copy or link this folder into ComfyUI's `custom_nodes`, and install Impasto in ComfyUI's Python.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import comfy.model_management
import comfy.utils
import folder_paths
import numpy as np
import torch

if TYPE_CHECKING:
    from impasto import Stylizer

FOLDER = "impasto"
"""The folder below ComfyUI's `models` with model files (.onnx) and style files (.safetensors) of your own."""
NONE = "none"
COLORS = ("painted", "luminance", "match")
"""What becomes of the photo's colors; the first is the style's own."""

_models = Path(folder_paths.models_dir, FOLDER)
folder_paths.folder_names_and_paths[FOLDER] = ([str(_models)], {".onnx", ".safetensors"})


class ImpastoPaint:
    """Repaint images in a style."""

    RETURN_TYPES: ClassVar[tuple[str, ...]] = ("IMAGE",)
    FUNCTION: ClassVar[str] = "paint"
    CATEGORY: ClassVar[str] = "image/style"
    DESCRIPTION: ClassVar[str] = "Repaints images in the style of one picture, on the CPU (Impasto)."

    _loaded: ClassVar[dict[tuple[Any, ...], Stylizer]] = {}
    """The network that was used last: loading takes as long as painting a small image."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 (ComfyUI's name)
        """The node's inputs."""
        import impasto

        names = [style.name for style in impasto.styles()] + sorted(folder_paths.get_filename_list(FOLDER))
        share = {"default": 0.5, "min": 0.0, "max": 1.0, "step": 0.05}
        return {
            "required": {
                "image": ("IMAGE",),
                "style": (names, {"tooltip": f"A style of Impasto, or a file in models/{FOLDER}"}),
                "strength": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 2.0, "step": 0.05}),
                "stroke_size": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 8.0, "step": 0.05}),
                "colors": ([*COLORS],),
                "fast": ("BOOLEAN", {"default": False, "tooltip": "The fast network of the shipped styles"}),
            },
            "optional": {
                "mask": ("MASK", {"tooltip": "Where to paint; the rest stays the photo"}),
                "second_style": (
                    [NONE, *names],
                    {"default": NONE, "tooltip": "A style to mix in, of the same network"},
                ),
                "share": ("FLOAT", {**share, "tooltip": "How much of the second style"}),
            },
        }

    def paint(
        self,
        image: torch.Tensor,
        style: str,
        strength: float,
        stroke_size: float,
        colors: str,
        fast: bool,
        mask: torch.Tensor | None = None,
        second_style: str = NONE,
        share: float = 0.5,
    ) -> tuple[torch.Tensor]:
        """Repaint every image of a batch.

        Args:
            image: (N, H, W, 3), 0 to 1.
            style: The name of a shipped style, or of a file.
            strength: As of `impasto.Settings`.
            stroke_size: As of `impasto.Settings`.
            colors: One of `COLORS`.
            fast: Whether to use the fast network.
            mask: (1 or N, h, w) of any size, 0 to 1.
            second_style: Another style of the same network, or "none".
            share: Its share.

        Returns:
            The painted batch, of the same shape, on the CPU.
        """
        from impasto import Settings, paint_regions

        keep = None if colors == COLORS[0] else colors
        settings = Settings(strength=strength, stroke_size=stroke_size, keep_colors=keep)
        stylizer = self._stylizer(style, second_style, share, fast)
        masks = None if mask is None else _pixels(mask.reshape(-1, *mask.shape[-2:]))
        progress = comfy.utils.ProgressBar(len(image))
        painted = []
        for number, pixels in enumerate(_pixels(image[..., :3])):
            comfy.model_management.throw_exception_if_processing_interrupted()
            if masks is None:
                painted.append(stylizer(pixels, settings))
            else:
                painted.append(paint_regions(pixels, [(stylizer, masks[min(number, len(masks) - 1)])], settings))
            progress.update(1)
        return (torch.from_numpy(np.stack(painted).astype(np.float32) / 255),)

    @classmethod
    def _stylizer(cls, style: str, second: str, share: float, fast: bool) -> Stylizer:
        """The stylizer for these inputs; the last one is kept."""
        import impasto

        first = _file_or_name(style)
        shares = {first: 1.0}
        if second != NONE and share > 0 and second != style:
            shares = {first: 1 - share, _file_or_name(second): share}
        variant: Any = "fast" if fast else "best"
        key = (*shares.items(), variant)
        if key not in cls._loaded:
            cls._loaded.clear()
            cls._loaded[key] = impasto.load(shares if len(shares) > 1 else first, variant=variant)
        return cls._loaded[key]


def _file_or_name(style: str) -> str:
    """The path of a file in the models folder, or the name of a shipped style."""
    if Path(style).suffix in (".onnx", ".safetensors"):
        path = folder_paths.get_full_path(FOLDER, style)
        if path is None:
            raise FileNotFoundError(f"models/{FOLDER} has no {style}: refresh the list")
        return str(path)
    return style


def _pixels(values: torch.Tensor) -> Any:
    """Images or masks, 0 to 1, as uint8 arrays."""
    return (values.detach().float().cpu().clamp(0, 1) * 255).round().byte().numpy()


NODE_CLASS_MAPPINGS = {"ImpastoPaint": ImpastoPaint}
NODE_DISPLAY_NAME_MAPPINGS = {"ImpastoPaint": "Impasto: paint in a style"}
__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "ImpastoPaint"]
