from __future__ import annotations

import numpy as np
import pytest

from edgekit.frontends.filter_bank import filter_bank
from edgekit.frontends.filters import crop_spectrum, gaussian_spectrum, morlet_spectra
from tests.frontends.kymatio_oracle import reference_filters

pytestmark = pytest.mark.device


@pytest.mark.parametrize(
    ("shape", "scales", "angles"),
    [((48, 48), 3, 8), ((40, 36), 2, 5), ((64, 64), 5, 16), ((96, 64), 4, 1), ((48, 48), 4, 16), ((6, 8), 1, 7)],
)
def test_every_filter_equals_kymatios_at_every_resolution(shape, scales, angles):
    bank = reference_filters(*shape, scales, angles)
    for wavelet in bank["psi"]:
        ours = morlet_spectra(shape, wavelet["j"], angles)[wavelet["theta"]]
        for level, theirs in enumerate(wavelet["levels"]):
            np.testing.assert_allclose(crop_spectrum(ours, level, (0, 1)), theirs, atol=5e-7)
    width = 0.8 * 2 ** (scales - 1)
    low = np.outer(*(gaussian_spectrum(length, width) for length in shape))
    for level, theirs in enumerate(bank["phi"]["levels"]):
        np.testing.assert_allclose(crop_spectrum(low, level, (0, 1)), theirs, atol=5e-7)


@pytest.mark.parametrize(("j", "angles"), [(0, 8), (2, 3), (3, 16)])
def test_a_wavelet_takes_no_notice_of_a_constant(j, angles):
    spectra = morlet_spectra((64, 48), j, angles)
    assert np.abs(spectra[:, 0, 0]).max() < 1e-12
    assert spectra.max() > 0.5


def test_half_the_angles_on_wavelets_are_turned_by_a_quarter():
    spectra = morlet_spectra((64, 64), 1, 8)
    turned = np.roll(spectra[:4, ::-1], 1, axis=1).swapaxes(1, 2)
    np.testing.assert_allclose(spectra[4:], turned, atol=1e-12)


def test_the_low_pass_is_symmetric_and_keeps_a_constant():
    low = gaussian_spectrum(40, 3.2)
    assert low[0] == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(low[1:], low[:0:-1], atol=1e-12)


def test_cropping_keeps_the_low_frequencies_and_the_negative_one_at_the_edge():
    frequencies = np.fft.fftfreq(16, 1 / 16)
    np.testing.assert_array_equal(crop_spectrum(frequencies, 1, (0,)), [0, 1, 2, 3, -4, -3, -2, -1])
    np.testing.assert_array_equal(crop_spectrum(frequencies, 0, (0,)), frequencies)


def test_a_bank_is_made_once_and_cannot_be_written_to():
    bank = filter_bank((40, 24), 2, 4, 2)
    assert filter_bank((40, 24), 2, 4, 2) is bank
    arrays = [*bank.average, *bank.low_pass[0], bank.rows, bank.columns, *(scale.transfer for scale in bank.scales[0].values())]
    assert not any(array.flags.writeable for array in arrays)


def test_a_bank_keeps_the_blocks_of_frequencies_that_its_wavelets_reach():
    bank = filter_bank((64, 56), 4, 16, 1)
    whole = bank.scales[0][0].transfer.nbytes
    assert [scale.transfer.shape[1] for scale in bank.scales[0].values()] == [1, 4, 9, 9]
    assert [scale.transfer.nbytes / whole for scale in bank.scales[0].values()] == [1, 1, 9 / 16, 9 / 64]
