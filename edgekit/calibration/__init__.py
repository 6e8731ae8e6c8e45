"""What the quantizer is told of a network's activations.

`representative` draws a seeded, stratified sample, `samples` streams it, `observe` runs it through the float graphs, `observers`
find each tensor's range on bounded memory, and `ranges` keeps them in one file.
"""

from edgekit.calibration.observers import create_observer
from edgekit.calibration.ranges import Range, Ranges
from edgekit.calibration.representative import sample_digest, stratified_sample
from edgekit.calibration.samples import ArraySamples, Samples, StreamedSamples

__all__ = [
    "ArraySamples",
    "Range",
    "Ranges",
    "Samples",
    "StreamedSamples",
    "create_observer",
    "sample_digest",
    "stratified_sample",
]
