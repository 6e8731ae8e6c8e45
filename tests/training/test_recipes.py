"""Recipes: each is one that a training takes; papers' figures where papers give them."""

from __future__ import annotations

import pytest

from edgekit.errors import UnknownNameError
from edgekit.models.registry import MODELS
from edgekit.training.augment import POLICIES
from edgekit.training.augment_pixels import PIXEL_POLICIES
from edgekit.training.config import TrainConfig
from edgekit.training.recipes import RECIPES, training_recipe

OURS = ("scatnet-edge", "scatnet-edge-small")  # no paper


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_one_that_a_training_takes(model, name):
    if name == "paper" and model in OURS:
        with pytest.raises(UnknownNameError, match=model):
            training_recipe(name, model)
        return
    recipe = training_recipe(name, model)
    config = TrainConfig(data="d", model=model, out="o", **recipe.settings)
    assert config.augment in (PIXEL_POLICIES if MODELS[model].frontend == "pixels" else POLICIES)
    assert recipe.source


def test_the_papers_figures():
    recipes = {model: training_recipe("paper", model).settings for model in MODELS if model not in OURS}
    assert (recipes["imagesig-fc"]["batch_size"], recipes["imagesig-fc"]["epochs"], recipes["imagesig-fc"]["loss"]) == (
        *(3000, 300),
        "focal",
    )
    assert (recipes["imagesig-transformer"]["optimizer"], recipes["imagesig-transformer"]["weight_decay"]) == ("adamw", 1e-4)
    assert (recipes["medianet-wide-117"]["batch_size"], recipes["medianet-wide-117"]["epochs"]) == (192, 400)
    assert (recipes["shnet-44-2"]["learning_rate"], recipes["shnet-44-2"]["epochs"]) == (0.1, 150)
    assert (recipes["scatresnet-50"]["schedule"], recipes["scatresnet-50"]["epochs"]) == ("steps", 90)
    assert (recipes["tsak-student"]["optimizer"], recipes["tsak-student"]["patience"]) == ("adadelta", 10)


def test_another_front_end_has_copies_made_beforehand():
    assert training_recipe("default", "mobilenetv2", "sobel").settings["augment"] == "photo"
    assert training_recipe("default", "mobilenetv2").settings["augment"] == "randaugment"


def test_unknown_names_are_listed():
    with pytest.raises(UnknownNameError, match="Unknown recipe 'best'"):
        training_recipe("best", "resnet8")
    with pytest.raises(UnknownNameError, match="Unknown network"):
        training_recipe("paper", "resnet-50")
