# Everything a developer or CI runs. `make demo` and `make test` set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What the tests of eval and serve need beside the light install; none of it brings torch.
LIGHT_TOOLS := pytest pytest-timeout hypothesis onnx openai "tritonclient[http]" schemathesis \
	trustme opentelemetry-sdk requests jsonschema pyyaml
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup lint types test test-full light light-latest gpu-smoke demo bench clients clean help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.ready ## virtual environment with everything, from the project's own files

$(VENV)/.ready: setup.cfg pyproject.toml constraints.txt
	@echo "setting up $(VENV): PyTorch, transformers, ONNX Runtime, the server, Ray, and"
	@echo "what the tests need: about 2.4 GB on disk (more where pip takes the CUDA build of PyTorch)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -c constraints.txt torch
	$(BIN)/python -m pip install -c constraints.txt -e ".[all,dev]"
	@du -sm $(VENV) | awk '{ printf "$(VENV) is ready: %.1f GB\n", $$1 / 1024 }'
	@touch $@

lint: setup ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## mypy, strict
	$(BIN)/mypy

test: setup lint types ## what CI runs
	$(BIN)/python -m pytest -n 2 -q

demo: setup ## a planted question and the whole path on the embedded benchmark (about 12 minutes)
	$(BIN)/xlt demo --out xlt-demo

test-full: test light clients ## everything that is slow as well
	$(BIN)/python -m pytest -q -m "slow or browser" --timeout 1800 --ignore tests/clients
	$(BIN)/python benchmarks/planted_faults.py

clients: setup ## unmodified clients of other servers, each in an environment under build/clients
	$(BIN)/python -m pytest -q -m slow tests/clients

light: ## the light install: below 250 MB, no torch, eval and serve tests
	rm -rf build/light build/lib build/bdist.*
	$(PYTHON) -m venv build/light
	build/light/bin/python -m pip install -q -c constraints-serve.txt ".[cpu,serve]"
	.ci/sizes.sh build/light 250
	awk -F== '{ name = tolower($$1); gsub("_", "-", name) } !(name in seen) { seen[name]; print }' \
		constraints-serve.txt constraints.txt > build/light.txt
	build/light/bin/python -m pip install -q -c build/light.txt $(LIGHT_TOOLS)
	! build/light/bin/python -c "import torch" 2>/dev/null
	! build/light/bin/python -c "import transformers" 2>/dev/null
	build/light/bin/python -m pytest -q tests/evalsuite tests/serve -p no:cacheprovider

light-latest: ## what the light install weighs with the newest packages; printed, no gate
	rm -rf build/light-latest build/lib build/bdist.*
	$(PYTHON) -m venv build/light-latest
	build/light-latest/bin/python -m pip install -q ".[cpu,serve]"
	.ci/sizes.sh build/light-latest

gpu-smoke: ## the GPU build of ONNX Runtime: providers, devices, binding; on any machine
	rm -rf build/gpu
	$(PYTHON) -m venv build/gpu
	build/gpu/bin/python -m pip install -q -c constraints-serve.txt numpy click tokenizers \
		onnxruntime-gpu pytest pytest-timeout onnx
	PYTHONPATH=$(CURDIR)/src build/gpu/bin/python -m pytest -q -m "not slow" tests/core/inference/test_gpu_build.py \
		-p no:cacheprovider

bench: setup ## the figures of benchmarks/README.md: real files, real encoder, the demo and its planted effects, serving
	benchmarks/real_data.sh
	benchmarks/real_encoder.sh
	benchmarks/real_transfer.sh
	$(BIN)/python benchmarks/trainer_world.py
	$(BIN)/python benchmarks/reachable_answers.py --check
	$(BIN)/python benchmarks/demo_floors.py
	$(BIN)/python benchmarks/planted.py
	$(BIN)/python benchmarks/calibration.py
	$(BIN)/python benchmarks/retrieval.py
	$(BIN)/python benchmarks/serve_load.py --check
	$(BIN)/python benchmarks/serve_overload.py
	$(BIN)/python benchmarks/serve_soak.py --check
	$(BIN)/python benchmarks/serve_models.py --check

clean: ## remove what is built
	rm -rf build dist .venv *.egg-info .mypy_cache .ruff_cache .pytest_cache
