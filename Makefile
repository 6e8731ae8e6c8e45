# make quickstart   fresh machine -> .venv, install, the main job on embedded data
# make test         fresh machine -> .venv and .venv-device, install, lint, types, tests in both
PYTHON ?= python3
PIP = -m pip install --quiet --disable-pip-version-check
DEVICE_TESTS = bench contracts core daemon frontends inspection runtimes cli deploy doctor test_guards.py test_install.py test_mlperf_tiny.py test_pipeline.py

.PHONY: quickstart test lint types device-test clean

quickstart: .venv/.installed
	.venv/bin/edgekit quickstart

test: lint types .venv/.dev device-test
	.venv/bin/python -m pytest -n 2 --dist loadfile --durations 20

lint: .venv/.dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports

types: .venv/.dev
	.venv/bin/mypy

device-test: .venv-device/.installed
	cd .venv-device && bin/python -m pytest -c ../pyproject.toml --rootdir .. --import-mode append -m "device and not workstation" -n 2 $(DEVICE_TESTS:%=../tests/%)

# PyTorch first and alone: its CPU build satisfies every later requirement, and nothing pulls the CUDA one.
.venv/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python $(PIP) torch==2.13.0
	.venv/bin/python $(PIP) -e '.[onnx,litert,tflite-runtime,daemon,train,export]'
	touch $@

# iisignature builds from source against the numpy that is already there.
.venv/.dev: .venv/.installed
	.venv/bin/python $(PIP) -e '.[onnx,litert,tflite-runtime,daemon,train,export,dev]'
	.venv/bin/python $(PIP) --no-build-isolation -e '.[iisignature]'
	touch $@

# The board's side as a board gets it: the built wheel, numpy 2, no torch, no onnx, no scikit-learn.
.venv-device/.installed: .venv/.dev $(shell find edgekit -name '*.py') pyproject.toml
	rm -rf dist build
	.venv/bin/python -m build --wheel --no-isolation --outdir dist . > /dev/null
	$(PYTHON) -m venv .venv-device
	.venv-device/bin/python $(PIP) --force-reinstall --no-deps dist/*.whl
	.venv-device/bin/python $(PIP) "$$(ls dist/*.whl)[onnx,litert,daemon,device-test]"
	touch $@

# The libraries people use, beside the wheel and numpy 2: for benchmarks/frontends.py.
.venv-compare/.installed: .venv-device/.installed
	$(PYTHON) -m venv .venv-compare
	.venv-compare/bin/python $(PIP) "$$(ls dist/*.whl)[onnx,litert,compare]" setuptools wheel
	.venv-compare/bin/python $(PIP) --force-reinstall --no-deps dist/*.whl
	.venv-compare/bin/python $(PIP) --no-cache-dir --no-build-isolation iisignature==0.24  # not the wheel that numpy 1 built
	touch $@

clean:
	rm -rf .venv .venv-device .venv-compare dist build *.egg-info

# The wheel on emulated Cortex-A72, A53, A57 and A76 (docs/arm.md). Needs Debian's apt; installs nothing.
.PHONY: test-arm
test-arm: .venv-device/.installed
	.venv/bin/python tools/arm/suite.py dist/*.whl

# Executed instructions of each stage on emulated cores, into benchmarks/arm_cost.json; CHECK=1 compares with it instead.
.PHONY: arm-cost
arm-cost: .venv-device/.installed
	.venv/bin/python benchmarks/arm_cost.py dist/*.whl $(if $(CHECK),--check)
