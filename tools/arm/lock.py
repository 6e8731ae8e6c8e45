"""Write requirements*.lock: every aarch64 wheel that requirements*.in asks for, by version and sha256.

Run after changing a .in file: python tools/arm/lock.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from root import HERE, PIP_TARGET


def main() -> None:
    for source in sorted(HERE.glob("requirements*.in")):
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--target", folder]
            subprocess.run([*command, *PIP_TARGET, "--requirement", source, "--report", report], check=True)
            items = json.loads(report.read_text())["install"]
        rows = [f"# python tools/arm/lock.py, from {source.name}"]
        for item in sorted(items, key=lambda item: item["metadata"]["name"].lower()):
            name, version = item["metadata"]["name"], item["metadata"]["version"]
            rows.append(f"{name}=={version} --hash=sha256:{item['download_info']['archive_info']['hashes']['sha256']}")
        source.with_suffix(".lock").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
