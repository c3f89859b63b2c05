"""Checkpoints: a run's state on disk, and the check that a resumed run is the same run."""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from impasto.errors import TrainingError
from impasto.files import replacing
from impasto.training.config import TrainConfig

FORMAT = 4
MAY_CHANGE = frozenset(
    ("minutes", "steps", "output", "styles", "content", "held_out", "threads", "device", "loss_network")
)
"""Fields of the configuration that may differ in a resumed run. Files are compared by content, not by path."""


def config_json(config: TrainConfig) -> str:
    """The configuration as JSON with sorted keys, as config.json and the checkpoint hold it."""
    plain = asdict(config)
    plain["recipe"]["arguments"] = dict(config.recipe.arguments)
    return json.dumps(plain, sort_keys=True, indent=1, default=str)


def identity_of(config: TrainConfig, photos: Sequence[Path], *, network: str, loss_network: str) -> dict[str, str]:
    """The identity of a run, which is stored in the checkpoint and compared on resuming.

    Args:
        config: the run's configuration; its style pictures are hashed.
        photos: the photos to learn from; their names are compared.
        network: SHA-256 of the shared network if only a style file is made, else empty.
        loss_network: SHA-256 of the loss network's weights.
    """
    names = "\n".join(sorted(path.name for path in photos))
    return {
        "config": config_json(config),
        "style": " ".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in config.styles),
        "content": hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest(),
        "network": network,
        "loss network": loss_network,
    }


def write_checkpoint(path: Path, identity: dict[str, str], state: dict[str, Any], *, finished: bool) -> None:
    """Write ``state``, a :meth:`impasto.training.learner.Learner.state_dict`, whole or not at all.

    Raises:
        TrainingError: if it cannot be written.
    """
    content = io.BytesIO()  # torch.save reports a full disk in several ways; write_bytes in one
    torch.save({"format": FORMAT, **identity, "finished": finished, "run": state}, content)
    with replacing(path, TrainingError) as part:
        part.write_bytes(content.getvalue())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint: the identity's entries, "finished" and "run". Does not execute code from the file.

    Raises:
        TrainingError: if the file is damaged, not a checkpoint, or has an unknown format.
    """
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if saved["format"] != FORMAT:
            raise TrainingError(
                f"{path}: a checkpoint of format {saved['format']}; this Impasto knows {FORMAT}: --restart"
            )
    except TrainingError:
        raise
    except Exception as error:
        raise TrainingError(f"{path}: not a checkpoint, or damaged: add --restart to begin anew") from error
    return saved


def check_same(identity: dict[str, str], saved: dict[str, Any], path: Path) -> None:
    """Raise TrainingError if the run saved at ``path`` is another one, apart from :data:`MAY_CHANGE`."""
    old, new = json.loads(saved["config"]), json.loads(identity["config"])
    changed = sorted(name for name in new if name not in MAY_CHANGE and old.get(name) != new[name])
    changed += [name for name in identity if name != "config" and saved[name] != identity[name]]
    if changed:
        raise TrainingError(f"{path}: another run, it differs in {', '.join(changed)}: give the same, or --restart")
