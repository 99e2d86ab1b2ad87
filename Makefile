# Everything a developer or CI runs. `make demo` and `make test` set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TYPING ?= build/typing
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup check lint types test test-full bench clean help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.ready ## virtual environment with everything, from the project's own files

$(VENV)/.ready: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[all,dev]"
	touch $@

lint: setup ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## mypy strict, on a link tree that mirrors the installed layout
	@rm -rf $(TYPING) && mkdir -p $(TYPING)/xlt
	@for f in core/*; do ln -s $(CURDIR)/$$f $(TYPING)/xlt/; done
	@for d in world train export evalsuite serve study; do ln -s $(CURDIR)/$$d $(TYPING)/xlt/$$d; done
	MYPYPATH=$(TYPING) $(BIN)/mypy --cache-dir $(TYPING)/cache -p xlt

test: setup lint types ## what CI runs
	$(BIN)/python -m pytest -n 2 -q

clean: ## remove what is built
	rm -rf build dist .venv *.egg-info .mypy_cache .ruff_cache .pytest_cache
