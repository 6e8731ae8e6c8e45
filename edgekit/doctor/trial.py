"""A runtime tried in a process of its own: loading a native library may end the process, and then only its parent can tell."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Trial", "Try", "attempt", "try_runtime"]

_TIMEOUT_S = 120.0
_CHILD = "from edgekit.doctor.trial import attempt; attempt({runtime!r})"

_SIGNALS = {
    signal.SIGILL: "its binaries use an instruction that this processor lacks",
    signal.SIGSEGV: "it crashed",
    signal.SIGBUS: "it crashed; on 32-bit ARM often by an unaligned access",
    signal.SIGFPE: "it crashed",
    signal.SIGABRT: "it gave up",
    signal.SIGKILL: "most likely for lack of memory",
}


@dataclass(frozen=True)
class Trial:
    """How it went.

    Attributes:
        ok: the tiny model ran and gave the right numbers.
        told: one line: the runtime's version, or what went wrong.
    """

    ok: bool
    told: str


#: Tries the runtime of that name.
Try = Callable[[str], Trial]


def try_runtime(runtime: str) -> Trial:
    """Load a tiny model in a new process, run it once and compare its numbers.

    A death by a signal, a wrong number, an error and a hang of more than two minutes each become one line.
    """
    command = [sys.executable, "-c", _CHILD.format(runtime=runtime)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return Trial(False, f"hangs: no answer in {_TIMEOUT_S:.0f} s")
    except OSError as error:
        if error.errno == errno.ENOEXEC:
            # Under user-mode emulation this Python cannot be started again, but it can be forked.
            return _forked(runtime)
        return Trial(False, f"could not be tried: {sys.executable} does not start ({error.strerror})")
    return _judge(result.returncode, result.stdout, result.stderr)


def attempt(runtime: str) -> None:
    """What the new process does: one line of JSON on standard output."""
    print(json.dumps(_attempt(runtime)), flush=True)


def _attempt(runtime: str) -> dict[str, str]:
    from edgekit.doctor.layer import EXPECTED, INPUT
    from edgekit.doctor.models import ONNX, TFLITE
    from edgekit.errors import EdgekitError

    try:
        import numpy as np

        from edgekit.runtimes import open_runtime

        with open_runtime(ONNX if runtime == "onnxruntime" else TFLITE, runtime) as opened:
            array = np.array([INPUT], np.float32)
            (output,) = opened.run({opened.inputs[0].name: array}).values()
            version = opened.version
    except EdgekitError as error:
        return {"error": str(error)}
    # Whatever a broken installation raises is the finding.
    except Exception as error:  # noqa: BLE001
        return {"error": f"{type(error).__name__}: {error}"}
    worst = max(abs(got - expected) for got, expected in zip(output.ravel().tolist(), EXPECTED, strict=True))
    return {"version": version} if worst < 1e-5 else {"error": f"gives wrong numbers (off by {worst:.3g})"}


def _judge(code: int, output: str, chatter: str) -> Trial:
    if code < 0:
        number = -code
        try:
            name, reason = signal.Signals(number).name, _SIGNALS.get(signal.Signals(number), "it was ended")
        except ValueError:
            name, reason = f"signal {number}", "it was ended"
        return Trial(False, f"died of {name}: {reason}")
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            answer = json.loads(line)
            return Trial("version" in answer, " ".join(str(answer.get("version") or answer["error"]).split()))
    last = (chatter.strip() or "it told nothing").splitlines()[-1]
    return Trial(False, f"ended with code {code}: {last}")


def _forked(runtime: str) -> Trial:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            with os.fdopen(writer, "w") as stream:
                stream.write(json.dumps(_attempt(runtime)))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        output = stream.read()
    _, status = os.waitpid(child, 0)
    return _judge(os.waitstatus_to_exitcode(status), output, "")
