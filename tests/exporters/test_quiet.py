from __future__ import annotations

import logging
import os
import sys
import warnings

import pytest

from edgekit.exporters.quiet import quiet


def test_nothing_gets_out_and_everything_comes_back(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    with quiet():
        print("python")
        os.write(1, b"descriptor")
        os.write(2, b"C++")
        logging.getLogger("loud").critical("log")
        warnings.warn("warning", stacklevel=1)
    print("after")
    os.write(2, b"still here")
    assert capfd.readouterr() == ("after\n", "still here")
    assert not caplog.records
    logging.getLogger("loud").critical("again")
    assert len(caplog.records) == 1


def test_an_exception_passes_and_the_streams_come_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="reason"), quiet():
        raise ValueError("reason")
    sys.stdout.write("back")
    sys.stdout.flush()
    assert capfd.readouterr().out == "back"
