"""The sentences that are tested: quoted word by word, with where they are, and what would have shown them false."""

from collections.abc import Mapping
from dataclasses import dataclass

IN = "arXiv:1607.08022 (Ulyanov, Vedaldi, Lempitsky 2016)"


@dataclass(frozen=True)
class Tested:
    """What a claim is in its paper."""

    source: str
    """Paper and section."""
    false_if: str
    """Which measurement would have shown it false."""
    quotes: tuple[str, ...] = ()
    """Its words."""
    about: str = ""
    """What is tested, in our words, where the paper shows it in figures and code only."""


TESTED: Mapping[str, Tested] = {
    "norms": Tested(
        f"{IN}, section 3",
        "A batch-normalized generator that reaches as low an objective on held-out photos as the same generator with "
        "instance normalization, after as many steps, with the same weights at the start and the same squares.",
        (
            "“Next, the replaced batch normalization with instance normalization and retrained the generators using "
            "the same hyperparameters. We found that both architectures significantly improved by the use of instance "
            "normalization (fig. 5 second row).”",
        ),
    ),
    "in_use": Tested(
        f"{IN}, section 2",
        "A network trained with instance normalization that paints as well when running averages replace the "
        "statistics of the picture.",
        (
            "“Differently from batch normalization, furthermore, the instance normalization layer is applied at test "
            "time as well.”",
        ),
    ),
    "contrast": Tested(
        f"{IN}, section 2",
        "A picture that changes visibly with the photo's contrast although the network normalizes instances; or a "
        "batch-normalized network whose pictures change as little.",
        (
            "“A simple observation is that the result of stylization should not, in general, depend on the contrast of "
            "the content image (see fig. 2).”",
            "“Thus, the generator network should discard contrast information in the content image.”",
        ),
    ),
    "few_photos": Tested(
        f"{IN}, section 2, on texture networks with batch normalization (arXiv:1603.03417)",
        "A batch-normalized texture network that ends no better from 16 photos than from all, or that does not get "
        "worse when it is trained for longer.",
        (
            "“In particular, a network trained on just 16 example images produced better results than one trained from "
            "thousands of those.”",
            "“Ultimately, the best results presented in Ulyanov et al. (2016) were obtained using a small number of "
            "training images and stopping the learning process early.”",
        ),
    ),
    "iterations": Tested(
        "arXiv:1603.08155 (Johnson, Alahi, Fei-Fei 2016), abstract; the number of iterations is read from its figure 5",
        "An optimization that is as low as one pass of the network after fewer than 50 evaluations of the objective; "
        "even in part, after fewer than twice those that it takes to be as low as the unpainted photo.",
        (
            "“Compared to the optimization-based method, our network gives similar qualitative results but is three "
            "orders of magnitude faster.”",
        ),
    ),
    "samples": Tested(
        f"{IN}, section 2",
        "Textures from different noise that differ less than half as much as Gatys' textures from different noise do; "
        "or pictures of a photo that differ as much beside a content term as without one.",
        ("“The variable z is a random seed that can be used to obtain sample stylization results.”",),
    ),
    "why": Tested(
        f"{IN}, section 2; for scales and shifts arXiv:1610.07629",
        "Batch-normalized networks whose pictures are as near to the style's statistics, layer by layer, whatever the "
        "light of the photo.",
        (
            "“We replace batch normalization with instance normalization everywhere in the generator network g. This "
            "prevents instance-specific mean and covariance shift simplifying the learning process.”",
        ),
    ),
    "recipes": Tested(
        "arXiv:1603.03417, arXiv:1607.08022, arXiv:1603.08155 and their authors' code: docs/papers.md",
        "Nothing: this shows how far each recipe is after few steps, and claims nothing.",
        about="The three published recipes, with their own objectives and learning rates.",
    ),
}

UNTESTED = (
    "That people find the pictures as good as those of Gatys' optimization; that padding does not cure artifacts along "
    "the border, for which networks with zero padding are not trained yet; speed and memory of texture networks on a "
    "GPU."
)
"""What the papers say and nothing here measures."""
