"""Losses against hand formulas and torch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from edgekit.errors import InputError, UnknownNameError
from edgekit.training.losses import class_weights, create_loss, cross_entropy, focal


def test_the_focal_loss_has_the_value_of_the_formula():
    # Two classes with p = 0.9 and 0.2 for the truth: alpha (1 - p)^2 (-log p).
    logits = torch.log(torch.tensor([[0.9, 0.1], [0.8, 0.2]]))
    targets = torch.tensor([0, 1])
    by_hand = (0.5 * 0.1**2 * -math.log(0.9) + 2.0 * 0.8**2 * -math.log(0.2)) / 2
    assert focal(logits, targets, alpha=torch.tensor([0.5, 2.0])).item() == pytest.approx(by_hand, rel=1e-5)


def test_the_focal_loss_of_gamma_0_is_cross_entropy():
    logits, targets = torch.randn(8, 3), torch.randint(0, 3, (8,))
    torch.testing.assert_close(focal(logits, targets, gamma=0.0), functional.cross_entropy(logits, targets))


def test_the_focal_loss_of_a_sure_and_right_network_is_0_and_has_a_finite_gradient():
    logits = torch.tensor([[100.0, -100.0]], requires_grad=True)
    loss = focal(logits, torch.tensor([0]))
    loss.backward()
    assert loss.item() == 0.0
    assert torch.isfinite(logits.grad).all()


def test_class_weights_are_balanced():
    np.testing.assert_allclose(class_weights(np.array([0, 0, 0, 1]), 2).numpy(), [4 / 6, 4 / 2])
    # The paper's figures for fire, supplement, Table 1.
    fire = class_weights(np.repeat([0, 1], [4097, 11055]), 2).numpy()
    np.testing.assert_allclose(fire, [1.84, 0.68], atol=0.015)


def test_class_weights_of_an_absent_class_are_refused():
    with pytest.raises(InputError, match=r"all 3 classes, got counts \[1, 1, 0\]"):
        class_weights(np.array([0, 1]), 3)


def test_cross_entropy_is_weighted_and_smoothed_as_torch_does():
    logits, targets, alpha = torch.randn(8, 3), torch.randint(0, 3, (8,)), torch.tensor([1.0, 2.0, 0.5])
    expected = torch.nn.CrossEntropyLoss(weight=alpha, label_smoothing=0.1)(logits, targets)
    torch.testing.assert_close(cross_entropy(logits, targets, alpha=alpha, label_smoothing=0.1), expected)
    torch.testing.assert_close(create_loss("cross-entropy", alpha=alpha, label_smoothing=0.1)(logits, targets), expected)


def test_a_loss_is_created_by_name():
    logits, targets = torch.randn(8, 3), torch.randint(0, 3, (8,))
    torch.testing.assert_close(create_loss("focal")(logits, targets), focal(logits, targets))


def test_wrong_losses_are_refused():
    with pytest.raises(UnknownNameError, match="Known: cross-entropy, focal"):
        create_loss("hinge")
    with pytest.raises(InputError, match="0 to below 1, got 1"):
        create_loss("cross-entropy", label_smoothing=1.0)
    with pytest.raises(InputError, match="no label smoothing with the focal loss"):
        create_loss("focal", label_smoothing=0.1)
