"""The scattering front end as a graph: every Fourier transform is two products with matrices of cosines and sines.

No runtime for boards has a Fourier transform that all of them share; at 32 to 96 pixels the products are small. Padding is folded
into the first matrix, subsampling into the inverse ones (see `edgekit.frontends.filter_bank` for the rest).
"""

from __future__ import annotations

import numpy as np
import torch

from edgekit.exporters.fused.base import FrontEndGraph
from edgekit.frontends.base import FrontEnd
from edgekit.frontends.filter_bank import filter_bank
from edgekit.frontends.filters import crop_spectrum, morlet_spectra

__all__ = ["ScatteringGraph"]

#: ITU-R BT.601, of levels in [0, 1].
_LUMA = ((0.299,), (0.587,), (0.114,))

Complex = tuple[torch.Tensor, torch.Tensor]


class ScatteringGraph(FrontEndGraph):
    """Scattering coefficients of order 1 or 2, colour by colour: (C * paths, h, w)."""

    luma: torch.Tensor

    def __init__(self, frontend: FrontEnd) -> None:
        super().__init__(frontend)
        config = frontend.config
        self.bank = filter_bank(config.size, config.J, config.L, config.max_order)
        self.grey = config.colour == "grey"
        self.shape = frontend.output.shape
        self.register_buffer("luma", torch.tensor(_LUMA))
        for side, mirror in (("rows", self.bank.rows), ("columns", self.bank.columns)):
            fourier = _fourier(len(mirror))
            padding = np.eye(int(mirror.max()) + 1)[mirror]
            self._keep(side, fourier @ padding)
        for name, matrices in (("average", self.bank.average), *((f"low{j}", self.bank.low_pass[j]) for j in range(self.bank.J))):
            for side, matrix in zip(("rows", "columns"), matrices, strict=True):
                self.register_buffer(f"{name}_{side}", torch.from_numpy(matrix.copy()))
        for j in range(self.bank.J):
            self._keep_scale(j)

    def _keep_scale(self, j: int) -> None:
        """Constants of the wavelets of scale j, on every grid on which they are used."""
        bank = self.bank
        spectra = morlet_spectra(bank.padded, j, bank.L)
        for level in range(max(j, 1) if bank.order == 2 else 1):
            grid = tuple(side >> level for side in bank.padded)
            transfer = crop_spectrum(spectra, level, (1, 2)).astype(np.float32)
            self.register_buffer(f"transfer{j}_{level}", torch.from_numpy(np.ascontiguousarray(transfer)))
            for side, length in zip(("rows", "columns"), grid, strict=True):
                self._keep(f"inverse{j}_{level}_{side}", _inverse(length, 2 ** (j - level)))
        if bank.order == 2 and j + 1 < bank.J:
            for side, length in zip(("rows", "columns"), bank.padded, strict=True):
                self._keep(f"forward{j}_{side}", _fourier(length >> j))

    def _keep(self, name: str, matrix: np.ndarray) -> None:
        for part, values in (("re", matrix.real), ("im", matrix.imag)):
            self.register_buffer(f"{name}_{part}", torch.from_numpy(np.ascontiguousarray(values, np.float32)))

    def _kept(self, name: str) -> Complex:
        return self.get_buffer(f"{name}_re"), self.get_buffer(f"{name}_im")

    def raw(self, image: torch.Tensor) -> torch.Tensor:
        """See `FrontEndGraph.raw`."""
        unit = image * (1 / 255)
        planes = (unit @ self.luma if self.grey else unit).permute(2, 0, 1)
        spectrum = _both(planes, self._kept("rows"), self._kept("columns"))
        paths = [_two_sided(planes, self.get_buffer("average_rows"), self.get_buffer("average_columns"))[:, None]]
        second = []
        for j in range(self.bank.J):
            maps = self._modulus(spectrum, j, 0)
            paths.append(self._low_pass(maps, j))
            if self.bank.order == 2 and j + 1 < self.bank.J:
                second.append(self._second(maps, j))
        return torch.cat([*paths, *second], dim=1).reshape(self.shape)

    def _second(self, maps: torch.Tensor, j: int) -> torch.Tensor:
        """(P, L, m, n) moduli of scale j -> (P, L * scales above * L, h, w)."""
        planes, angles, height, width = maps.shape
        flat = maps.reshape(planes * angles, height, width)
        spectrum = _both(flat, self._kept(f"forward{j}_rows"), self._kept(f"forward{j}_columns"))
        above = [self._low_pass(self._modulus(spectrum, k, j), k) for k in range(j + 1, self.bank.J)]
        return torch.cat(above, dim=1).reshape(planes, -1, *self.bank.output)

    def _modulus(self, spectrum: Complex, j: int, level: int) -> torch.Tensor:
        """(P, M, N) spectra on a grid -> (P, L, m, n) moduli behind the wavelets of scale j."""
        transfer = self.get_buffer(f"transfer{j}_{level}")
        filtered = tuple(part[:, None] * transfer for part in spectrum)
        planes, angles, height, width = filtered[0].shape
        flat = filtered[0].reshape(-1, height, width), filtered[1].reshape(-1, height, width)
        rows, columns = self._kept(f"inverse{j}_{level}_rows"), self._kept(f"inverse{j}_{level}_columns")
        real, imaginary = _right(_left(rows, flat), columns)
        return torch.sqrt(real * real + imaginary * imaginary).reshape(planes, angles, real.shape[1], real.shape[2])

    def _low_pass(self, maps: torch.Tensor, j: int) -> torch.Tensor:
        """(P, L, m, n) -> (P, L, h, w)."""
        planes, angles, height, width = maps.shape
        flat = maps.reshape(-1, height, width)
        low = _two_sided(flat, self.get_buffer(f"low{j}_rows"), self.get_buffer(f"low{j}_columns"))
        return low.reshape(planes, angles, *self.bank.output)


def _fourier(length: int) -> np.ndarray:
    """(n, n) complex128: the discrete Fourier transform."""
    places = np.arange(length)
    return np.exp(-2j * np.pi * (places[:, None] * places % length) / length)


def _inverse(length: int, step: int) -> np.ndarray:
    """(length / step, length) complex128: the inverse transform at every step-th place."""
    return _fourier(length)[::step].conj() / length


def _both(planes: torch.Tensor, rows: Complex, columns: Complex) -> Complex:
    """Rows @ plane @ columns^T of real planes (P, H, W)."""
    return _right((rows[0] @ planes, rows[1] @ planes), columns)


def _left(matrix: Complex, value: Complex) -> Complex:
    real = matrix[0] @ value[0] - matrix[1] @ value[1]
    return real, matrix[0] @ value[1] + matrix[1] @ value[0]


def _right(value: Complex, matrix: Complex) -> Complex:
    """Value @ matrix^T."""
    real, imaginary = matrix[0].T, matrix[1].T
    return value[0] @ real - value[1] @ imaginary, value[0] @ imaginary + value[1] @ real


def _two_sided(planes: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Left @ plane @ right^T of real planes (P, H, W)."""
    return (left @ planes) @ right.T
