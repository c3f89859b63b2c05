#!/usr/bin/env python3
"""Impasto in GIMP 3: Filters > Artistic > Impasto paints the selected layer in a style, as a new layer.

Copy the folder that contains this file into one of GIMP's plug-in folders (Edit > Preferences > Folders > Plug-ins),
and make the file executable. The plug-in runs the command `impasto`, which it finds on PATH, or under the name in the
environment variable IMPASTO_COMMAND. GIMP's own Python needs no package.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("GimpUi", "3.0")
from gi.repository import Gimp, GimpUi, Gio, GLib, GObject  # noqa: E402

PROCEDURE = "plug-in-impasto"
STYLES = (
    *("composition_vii", "edtaonisl", "gauguin_tahiti", "great_wave", "impression_sunrise", "ink_hatching"),
    *("klimt_kiss", "matisse_woman_hat", "pencil", "pointillism", "roman_mosaic_duck", "shipwreck_minotaur"),
    *("stained_glass", "starry_night", "the_scream", "udnie", "vangogh_cafe", "watercolor"),
    *("wheat_field_cypresses", "woodcut"),
)
"""The styles that come with Impasto."""
COLORS = ("painted", "luminance", "match")
"""What becomes of the photo's colors; the first is the style's own."""
TIMEOUT = 3600
"""Seconds after which the command is stopped."""
FLAGS = GObject.ParamFlags.READWRITE


class Failure(Exception):
    """The command cannot be run, or failed; the message is for the user."""


def command_line(
    source: str, target: str, *, style: str, file: str, strength: float, stroke: float, colors: str
) -> list[str]:
    """The command that paints one file."""
    given = os.environ.get("IMPASTO_COMMAND") or "impasto"
    words = shlex.split(given, posix=os.name != "nt")
    words += ["stylize", source, "-o", target, "--force", "--strength", f"{strength:g}", "--stroke-size", f"{stroke:g}"]
    if file:
        words += ["--model" if file.lower().endswith(".onnx") else "--style", file]
    else:
        words += ["--style", style]
    return words if colors == COLORS[0] else [*words, "--keep-colors", colors]


def paint_file(words: list[str]) -> None:
    """Run the command. Raises Failure with its message."""
    # pipx and uv install into this folder, which programs of a desktop often do not search.
    program = shutil.which(words[0]) or shutil.which(words[0], path=str(Path.home() / ".local" / "bin"))
    if program is None:
        raise Failure(f"The command {words[0]} is not found. Install Impasto, or set IMPASTO_COMMAND to its path.")
    # GIMP's own Python libraries must not get into the command's Python.
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    try:
        done = subprocess.run(
            [program, *words[1:]], capture_output=True, text=True, timeout=TIMEOUT, env=clean, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as cause:
        raise Failure(f"{words[0]}: {cause}") from None
    if done.returncode:
        raise Failure(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"{words[0]} failed")


def paint_layer(image, drawable, choices) -> None:
    """Paint a layer, and insert the result above it, at the same place."""
    with tempfile.TemporaryDirectory(prefix="impasto-") as folder:
        source, target = (str(Path(folder, name)) for name in ("layer.png", "painted.png"))
        single = Gimp.Image.new(drawable.get_width(), drawable.get_height(), Gimp.ImageBaseType.RGB)
        try:
            copy = Gimp.Layer.new_from_drawable(drawable, single)
            single.insert_layer(copy, None, 0)
            copy.set_offsets(0, 0)
            Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, single, Gio.File.new_for_path(source), None)
        finally:
            single.delete()
        paint_file(command_line(source, target, **choices))
        painted = Gimp.file_load_layer(Gimp.RunMode.NONINTERACTIVE, image, Gio.File.new_for_path(target))
    painted.set_name(f"{drawable.get_name()}: {choices['file'] or choices['style']}")
    _, left, top = drawable.get_offsets()
    image.insert_layer(painted, drawable.get_parent(), image.get_item_position(drawable))
    painted.set_offsets(left, top)


class Impasto(Gimp.PlugIn):
    """The plug-in."""

    def do_query_procedures(self):
        """The names of the procedures."""
        return [PROCEDURE]

    def do_set_i18n(self, name):
        """No translations."""
        return False

    def do_create_procedure(self, name):
        """The procedure with its arguments, of which GIMP makes the dialog."""
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, self.run, None)
        procedure.set_image_types("RGB*, GRAY*")
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.DRAWABLE)
        procedure.set_menu_label("_Impasto...")
        procedure.add_menu_path("<Image>/Filters/Artistic")
        procedure.set_documentation("Paint the layer in a style", "Repaints the layer with the program Impasto", name)
        procedure.set_attribution("Impasto", "Impasto", "2026")
        procedure.add_choice_argument("style", "_Style", "A style of Impasto", _choice(STYLES), "great_wave", FLAGS)
        procedure.add_string_argument("file", "_File", "Instead: a style or model file of your own", "", FLAGS)
        procedure.add_double_argument("strength", "S_trength", "0 is the photo, 1 the style", 0.0, 2.0, 1.0, FLAGS)
        procedure.add_double_argument("stroke-size", "Stroke s_ize", "0 is the network's own", 0.0, 8.0, 1.0, FLAGS)
        procedure.add_choice_argument(
            "colors", "_Colors", "Of the style, or the photo's", _choice(COLORS), COLORS[0], FLAGS
        )
        return procedure

    def run(self, procedure, run_mode, image, drawables, config, data):
        """Ask, paint, and return a status."""
        if len(drawables) != 1:
            return _failed(procedure, "Select one layer.", Gimp.PDBStatusType.CALLING_ERROR)
        if run_mode == Gimp.RunMode.INTERACTIVE:
            GimpUi.init(PROCEDURE)
            dialog = GimpUi.ProcedureDialog.new(procedure, config, "Impasto")
            dialog.fill(None)
            agreed = dialog.run()
            dialog.destroy()
            if not agreed:
                return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
        names = {"style": "style", "file": "file", "strength": "strength", "stroke": "stroke-size", "colors": "colors"}
        choices = {name: config.get_property(theirs) for name, theirs in names.items()}
        choices["file"] = (choices["file"] or "").strip()
        image.undo_group_start()
        try:
            Gimp.progress_init("Impasto is painting")
            paint_layer(image, drawables[0], choices)
        except (Failure, OSError) as cause:
            return _failed(procedure, str(cause), Gimp.PDBStatusType.EXECUTION_ERROR)
        finally:
            image.undo_group_end()
        Gimp.displays_flush()
        return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)


def _choice(names):
    choice = Gimp.Choice.new()
    for number, name in enumerate(names):
        choice.add(name, number, name.replace("_", " "), "")
    return choice


def _failed(procedure, text, status):
    return procedure.new_return_values(status, GLib.Error(text))


if __name__ == "__main__":
    Gimp.main(Impasto.__gtype__, sys.argv)
