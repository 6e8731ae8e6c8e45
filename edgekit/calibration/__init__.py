"""Which images the quantizer sees: a seeded, stratified sample, and a digest by which a bundle names it."""

from edgekit.calibration.representative import sample_digest, stratified_sample

__all__ = ["sample_digest", "stratified_sample"]
