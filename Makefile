# `make train` and `make test` set up a fresh machine and run. PYTHON, SEED and ARGS can be set.
# mujoco ships no promise beyond the pins, so both supported Pythons have an exact constraints file.
PYTHON ?= $(shell command -v python3.11 >/dev/null 2>&1 && python3.11 -c '' >/dev/null 2>&1 && echo python3.11 || echo python3)
VENV   ?= .venv
SEED   ?= 0
OUT    ?= runs/drawer-open-core-$(SEED)
ARGS   ?=
BIN     = $(VENV)/bin
STAMP   = $(VENV)/.installed
PINS    = constraints/py$$($(BIN)/python -c 'import sys; print(f"3{min(sys.version_info.minor, 12)}")').txt

.PHONY: train test lint bench docs install clean

train: $(STAMP)
	$(BIN)/python scripts/train.py --task drawer-open --protocol random --method core \
	  --eval-every 5000 --stop-at 0.95 --seed $(SEED) --out $(OUT) $(ARGS)

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python scripts/tools/linked_view.py build/view
	PYTHONPATH=build/view $(BIN)/lint-imports --no-logo
	$(BIN)/pyright

bench: $(STAMP)
	@for what in env sac reward train; do $(BIN)/python scripts/bench.py $$what $(ARGS) || exit 1; done

docs: $(VENV)/.docs-installed
	@$(BIN)/python scripts/tools/linked_view.py build/site_view  # griffe looks for it before the hooks
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo build/site/index.html

install: $(STAMP)

$(STAMP): pyproject.toml constraints/py311.txt constraints/py312.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "CoRe-JAX needs Python 3.11 or newer, this is " + sys.version'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet \
	  -c $(PINS) -e '.[dev]'
	touch $@

$(VENV)/.docs-installed: $(STAMP)
	$(BIN)/python -m pip install --quiet -c $(PINS) -e '.[dev,docs]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache
