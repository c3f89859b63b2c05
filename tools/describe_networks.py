"""Rewrite the descriptions of the shipped networks from their generators, after `ModelInfo` has gained an entry.

python tools/describe_networks.py

Graphs and weights are unchanged, byte for byte. Style files identify their network by a hash that does not cover the
description; those with another hash are corrected.
"""

from dataclasses import replace

from impasto.models.catalog import VARIANTS, shipped, shipped_network
from impasto.models.modelfile import network_hash, read_info, write_model
from impasto.models.stylefile import SUFFIX, write_style
from impasto.nn.generators import build_generator
from impasto.training.export import facts


def main() -> None:
    """Rewrite the package's data in place."""
    for variant in VARIANTS:
        path = shipped_network(variant)
        info = read_info(path)
        generator = build_generator(info.architecture, info.arguments)
        write_model(path, path.read_bytes(), replace(info, **facts(generator)))
        network = network_hash(path)
        for name, style in shipped(variant).items():
            if style.info.network != network:
                write_style(path.with_name(name + SUFFIX), replace(style, info=replace(style.info, network=network)))
        print(f"{variant}: reach {generator.reach}, strides {generator.strides}, network {network[:12]}")


if __name__ == "__main__":
    main()
