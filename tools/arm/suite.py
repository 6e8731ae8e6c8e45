"""`make test-arm`: the built wheel and the device tests on emulated cores, two at a time. Exit 1 when one fails or skips.

usage: suite.py WHEEL
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from offline import install_offline
from root import CORES, HERE, NUMPY1, ArmError, ensure_root

REPO = HERE.parents[1]
TABLE = "{:14} {:>7} {:>7} {:>8} {:>8}"

SHORT = (
    "tests/arm/test_on_arm.py",
    "tests/test_pipeline.py",
    "tests/frontends/test_kernels.py",
)
COMMANDS = "tests/cli/test_commands.py"
#: Signing starts the command a dozen times, and costs are counted the same everywhere: nothing there differs between cores.
ELSEWHERE = ("tests/core/test_signature.py", "tests/frontends/test_cost.py")
LONG = (
    *("tests/arm", "tests/test_pipeline.py", "tests/frontends", "tests/core", "tests/runtimes"),
    # Each starts the command in a process of its own, 3 to 10 s here.
    f"{COMMANDS}::test_predict_takes_files_folders_and_globs",
    f"{COMMANDS}::test_inspect_of_a_bundle_has_the_same_keys_and_every_artifact",
)


@dataclass(frozen=True)
class Row:
    """One line of the table: which tests on which core with which NumPy."""

    name: str
    core: str
    tests: tuple[str, ...]
    numpy1: bool = False


#: The long one first: the others run beside it.
ROWS = (
    Row("a72", "a72", LONG),
    Row("a53", "a53", SHORT),
    Row("a57", "a57", SHORT),
    Row("a76", "a76", SHORT),
    # tflite-runtime beside LiteRT, on MLPerf Tiny's models where they lie beside the checkout.
    Row("a72, numpy 1", "a72", ("tests/arm", "tests/runtimes", "tests/test_mlperf_tiny.py"), numpy1=True),
)


def run(row: Row, board: Path, wheel: Path, folder: Path) -> bool:
    """Whether the tests of a row passed. Prints its line of the table, after what pytest said when they failed."""
    work = folder / row.name.replace(", ", "-").replace(" ", "")
    work.mkdir()
    result = work / "result.json"
    part, _ = CORES[row.core]
    environment = {
        **os.environ,
        "EDGEKIT_ARM_CORE": row.core,
        "EDGEKIT_ARM_PART": part,
        "EDGEKIT_ARM_PATH": ":".join(map(str, [wheel, HERE, *([board / "root" / NUMPY1] if row.numpy1 else [])])),
        "EDGEKIT_ARM_RESULT": str(result),
        "EDGEKIT_ARM_SHARED": str(int(row.numpy1 and (REPO.parent / "shared/data").is_dir())),
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "200",
    }
    options = ["-c", REPO / "pyproject.toml", "--rootdir", REPO, "--import-mode", "append", "-p", "pytest_arm"]
    options += [
        "--hypothesis-profile",
        "arm",
        *(f"--ignore={REPO / test}" for test in ELSEWHERE),
        "-p",
        "no:cacheprovider",
        "-m",
        "device and not workstation",
        "-q",
        "--basetemp",
        work / "tmp",
    ]
    command = [board / "python", "-m", "pytest", *options, *(REPO / test for test in row.tests)]
    start = time.monotonic()
    done = subprocess.run(
        [str(word) for word in command], cwd=work, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    counts = json.loads(result.read_text()) if result.exists() else {"passed": 0, "failed": 0, "skipped": 0}
    ok = done.returncode == 0 and counts["passed"] > 0 and not counts["skipped"]
    if not ok:
        print(f"----- {row.name} (exit {done.returncode})\n{done.stdout}", flush=True)
    line = TABLE.format(row.name, counts["passed"], counts["failed"], counts["skipped"], f"{time.monotonic() - start:.0f}")
    print(line if ok else f"{line}   FAILED", flush=True)
    return ok


def try_installing(board: Path, wheel: Path, folder: Path) -> bool:
    """Whether install.sh of a wheelhouse works on the board. Prints its line of the table."""
    start = time.monotonic()
    work = folder / "install"
    work.mkdir()
    wrong = install_offline(board, wheel, work)
    if wrong:
        print(f"----- install.sh\n{wrong}", flush=True)
    line = TABLE.format("a72, install", int(not wrong), int(bool(wrong)), 0, f"{time.monotonic() - start:.0f}")
    print(f"{line}   FAILED" if wrong else line, flush=True)
    return not wrong


def install(wheel: Path, folder: Path) -> Path:
    """A folder in `folder` with the wheel installed, without its dependencies."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--target", folder / "wheel", wheel], check=True)
    return folder / "wheel"


def main(wheel: Path) -> int:
    start = time.monotonic()
    try:
        board = ensure_root()
    except ArmError as error:
        print(f"make test-arm: {error}", file=sys.stderr)
        return 2
    ready = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edgekit-arm-") as name:
        folder = Path(name)
        installed = install(wheel, folder)
        print(TABLE.format("cortex", "passed", "failed", "skipped", "seconds"), flush=True)
        with ThreadPoolExecutor(2) as pool:
            offline = pool.submit(try_installing, board, wheel.resolve(), folder)
            results = [*pool.map(lambda row: run(row, board, installed, folder), ROWS), offline.result()]
    print(
        f"board ready in {ready - start:.0f} s, all in {time.monotonic() - start:.0f} s (emulated: no measure of a board's speed)"
    )
    return 0 if all(results) else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: suite.py WHEEL\nExpected one built wheel, got {sys.argv[1:]}. Run: make test-arm")
    sys.exit(main(Path(sys.argv[1])))
