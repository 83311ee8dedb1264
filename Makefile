# Everything a person does with this project; `make help` lists it. Needs Python 3.11 or newer, nothing else.
ifndef PYTHON
PYTHON := $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done || echo python3)
endif
VENV := .venv/bin
ROOMS := app bench contracts corpus dashboards ghost inference lyrics models sandbox training worker wsgi.py
unexport LEASH_PARENT
# The tests start hundreds of processes, and each takes twice as long where Python may not keep what it compiled.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test lint format bench cowboy constraints clean

help:  ## say what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 22
	@echo
	@echo "  PORT, INFERENCE_PORT and GHOST_HOME move the ports (8000, 8001) and the data (./var)."

run:  ## the whole product on this machine, until Ctrl-C; installs what it needs
	@$(PYTHON) sandbox/install.py run
	@$(VENV)/python -IS contracts/leash.py $(VENV)/python -m sandbox

test:  ## every test, in a real browser too (a thread each: many processes compute at a time)
	@$(PYTHON) sandbox/install.py dev
	@$(VENV)/python -m sandbox.bundles test
	@$(VENV)/python -m sandbox.chromium
	OMP_NUM_THREADS=1 $(VENV)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

lint:  ## style, types, the walls between the rooms, and known dangers
	@$(PYTHON) sandbox/install.py dev
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy
	$(VENV)/lint-imports
	$(VENV)/bandit -q -c pyproject.toml -r $(ROOMS)
	$(VENV)/hadolint Dockerfile
	@$(VENV)/python -m sandbox.bundles check

format:  ## let ruff put the sources into shape
	@$(PYTHON) sandbox/install.py dev
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .

bench:  ## our engine against transformers; a table, and JSON lines in bench/out
	@$(PYTHON) sandbox/install.py dev
	$(VENV)/python -m bench.inference $(ARGS)

cowboy:  ## train the demo's Cowboy voice again from BOOK, the text of Project Gutenberg's book 21300
	@$(PYTHON) sandbox/install.py run
	$(VENV)/python -m sandbox.cowboy $(BOOK)

constraints:  ## write down the exact versions that are installed, after a change of requirements
	$(VENV)/python -m pip list --format=freeze --exclude-editable | grep -vE '^pip==' | sed -E 's/\+cpu$$//' > constraints.txt

clean:  ## remove what was built and cached, .venv too; your data in var/ stays
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	rm -rf dashboards/assets/dist frontend/node_modules frontend/dist-test bench/out
	find . -name __pycache__ -not -path './var/*' -prune -exec rm -rf {} +
	@echo "what you wrote and the checkpoints stay in var/ (rm -rf var removes them for good)"
