"""How each network is trained unless told otherwise, and how its paper trained it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgekit.errors import UnknownNameError
from edgekit.models.registry import MODELS, model_info

__all__ = ["RECIPES", "TrainingRecipe", "training_recipe"]

RECIPES = ("default", "paper")


@dataclass(frozen=True)
class TrainingRecipe:
    """Settings of a training.

    Attributes:
        source: where they are from, and what it leaves open.
        settings: of `edgekit.training.config.TrainConfig`, in place of its defaults.
    """

    source: str
    settings: Mapping[str, Any] = field(default_factory=dict)


# What no paper here has: the moving average, mixing, clipping, smoothing and class weights of the default.
_PLAIN = {"average": 0.0, "mixup": 0.0, "gradient_norm": 0.0, "label_smoothing": 0.0, "class_weights": False, "warm_up": 0.0}

_FEATURES = TrainingRecipe("the defaults, chosen on validation of fire (docs/results.md)")

_WINDOWS = TrainingRecipe("the same, with augmented windows")

_SMALL_ON_WINDOWS = TrainingRecipe(
    "2,700 weights underfit: ten times the rate, nothing mixed or smoothed, batch norms that are folded afterwards; chosen on "
    "held-out subjects of wisdm_watch6",
    {"learning_rate": 1e-2, "mixup": 0.0, "label_smoothing": 0.0, "batch_norms": True},
)

_PIXELS = TrainingRecipe(
    "for networks from scratch on some thousand images: small batches, many epochs, every picture another one each time",
    {"batch_size": 64, "epochs": 100, "learning_rate": 2e-3, "weight_decay": 0.05, "augment": "randaugment", "mixup": 0.2},
)

_MAPS = TrainingRecipe(
    "as for pixels, on copies that were augmented beforehand: as many passes as the default's number of steps says",
    {"batch_size": 64, "learning_rate": 2e-3, "weight_decay": 0.05, "augment": "photo", "mixup": 0.2},
)

_IMAGESIG = TrainingRecipe(
    "Ibrahim and Lyons 2022, section 4 and supplement: focal loss with balanced classes, Adam, batch 3000, 300 epochs, "
    "flips, brightness, rotation, noise and swapped colours. Silent on the learning rate (Adam's 1e-3, as the code has it),"
    " on the schedule (constant here) and on how often each augmentation is drawn.",
    {
        **_PLAIN,
        "class_weights": True,
        "optimizer": "adam",
        "schedule": "constant",
        "weight_decay": 0.0,
        "loss": "focal",
        "batch_size": 3000,
        "epochs": 300,
        "augment": "paper",
    },
)

_IMAGESIG_TRANSFORMER = TrainingRecipe(
    "As ImageSig's others, but AdamW 1e-3 with a decay of 1e-4. The supplement prints a batch of 300 and 3000 epochs here, "
    "against 3000 and 300 everywhere else: read as exchanged.",
    {**_IMAGESIG.settings, "optimizer": "adamw", "weight_decay": 1e-4},
)

_FC_PIXELS = TrainingRecipe(
    "As ImageSig's own networks (Ibrahim and Lyons 2022), whose baseline it is. Their augmentation is made beforehand, on whole "
    "images; pixels are changed anew in every epoch, here as photographs are (photo).",
    {**_IMAGESIG.settings, "augment": "photo"},
)

_MEDIANET = TrainingRecipe(
    "Dewan et al. 2024, section 4: AdamW, cosine decay after 40 of 400 epochs of warm-up, label smoothing 0.1, batch 192. "
    "It prints a warm-up target of 2e-4 and an initial rate of 7e-4, which cannot both be: 7e-4 is the peak here. Silent on"
    " the weight decay (AdamW's 0.01) and on augmentation (none).",
    {
        **_PLAIN,
        "learning_rate": 7e-4,
        "warm_up": 0.1,
        "label_smoothing": 0.1,
        "batch_size": 192,
        "epochs": 400,
        "augment": "none",
    },
)

_SHNET = TrainingRecipe(
    "Shahadat et al. 2024, section 5.2: SGD, 10 epochs of warm-up to 0.1, cosine to epoch 150, batch 64. Silent on momentum"
    " (0.9), weight decay (1e-4) and augmentation (none). Pixels are scaled alike for all channels, not standardised each.",
    {
        **_PLAIN,
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "warm_up": 10 / 150,
        "weight_decay": 1e-4,
        "batch_size": 64,
        "epochs": 150,
        "augment": "none",
    },
)

_IMAGENET = TrainingRecipe(
    "Oyallon et al. 2018, section 4.1, after He et al. 2016: SGD with momentum 0.9, weight decay 1e-4, batch 256, 90 "
    "epochs, a tenth of the rate every 30, random crops and flips. Silent on the initial rate: 0.1, He et al.'s.",
    {
        **_PLAIN,
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "schedule": "steps",
        "weight_decay": 1e-4,
        "batch_size": 256,
        "epochs": 90,
        "augment": "crop-flip",
    },
)

_MOBILENET = TrainingRecipe(
    "Sandler et al. 2018, section 6.1, name RMSprop at 0.045, times 0.98 an epoch, batch 96 on 16 GPUs, for hundreds of "
    "epochs of ImageNet; the sparse paper names no settings at all. Here ResNet's in their place: SGD, 90 epochs, rate "
    "0.05, decay 4e-5.",
    {**_IMAGENET.settings, "learning_rate": 0.05, "schedule": "cosine", "weight_decay": 4e-5},
)

_RESNET8 = TrainingRecipe(
    "MLPerf Tiny's published training script: Adam 1e-3, times 0.99 an epoch, 500 epochs, batch 32, rotation by 15 degrees,"
    " shifts by a tenth, flips. Here random crops and flips.",
    {
        **_PLAIN,
        "optimizer": "adam",
        "schedule": "exponential",
        "weight_decay": 0.0,
        "batch_size": 32,
        "epochs": 500,
        "augment": "crop-flip",
    },
)

_TSAK = TrainingRecipe(
    "Bello et al. 2024, section 3: Adadelta 0.9, batch 64, 100 epochs, patience 10. Silent on augmentation (none); it stops"
    " by accuracy, edgekit by the validation loss.",
    {
        **_PLAIN,
        "optimizer": "adadelta",
        "learning_rate": 0.9,
        "schedule": "constant",
        "weight_decay": 0.0,
        "batch_size": 64,
        "epochs": 100,
        "patience": 10,
        "augment": "none",
    },
)

_DEFAULT = {"pixels": _PIXELS, "samples": _WINDOWS, "signature": _FEATURES, "logsignature": _FEATURES}

#: Networks whose default is not that of their front end.
_OWN = {"tsak-student": _SMALL_ON_WINDOWS}

#: Beginning of a network's name -> its paper's recipe; the first that fits.
_PAPER: Mapping[str, TrainingRecipe] = {
    "imagesig-transformer": _IMAGESIG_TRANSFORMER,
    "imagesig-": _IMAGESIG,
    "fc-pixels": _FC_PIXELS,
    "medianet-": _MEDIANET,
    "shnet-": _SHNET,
    "scatresnet-": _IMAGENET,
    "wide-scatresnet-": _IMAGENET,
    "resnet18": _IMAGENET,
    "resnet8": _RESNET8,
    "mobilenetv2": _MOBILENET,
    "tsak-": _TSAK,
}


def training_recipe(name: str, model: str, frontend: str | None = None) -> TrainingRecipe:
    """The recipe `name` of a network.

    Args:
        name: of `RECIPES`.
        model: a registered network.
        frontend: in place of its own.

    Raises:
        UnknownNameError: on another recipe or network, or a network without a paper's.
    """
    info = model_info(model)
    if name == "default" and model in _OWN and frontend in (None, info.frontend):
        return _OWN[model]
    if name == "default":
        return _DEFAULT.get(frontend or info.frontend, _MAPS)
    if name != "paper":
        raise UnknownNameError("recipe", name, RECIPES)
    found = [recipe for beginning, recipe in _PAPER.items() if model.startswith(beginning)]
    if not found:
        known = [one for one in MODELS if any(one.startswith(beginning) for beginning in _PAPER)]
        raise UnknownNameError("network with a paper's recipe", model, known)
    return found[0]
