"""edgekit: from a folder of labelled photographs to a verified int8 model on a ten-watt board.

>>> import edgekit
>>> sorted(edgekit.__all__)
['Bundle', 'EdgekitError', 'Pipeline', 'Prediction', 'Runtime', 'UserError', 'open', 'open_runtime']
"""

from edgekit.core.bundle import Bundle
from edgekit.errors import EdgekitError, UserError
from edgekit.pipeline import Pipeline, Prediction
from edgekit.pipeline import open_pipeline as open  # noqa: A004
from edgekit.runtimes import Runtime, open_runtime

__all__ = ["Bundle", "EdgekitError", "Pipeline", "Prediction", "Runtime", "UserError", "open", "open_runtime"]
