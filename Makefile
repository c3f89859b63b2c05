# make demo    learn a style and repaint photos with it, in minutes on two cores
# make test    all quick tests, and an install without torch
# make slow    the tests that take minutes: the demo, and all of the papers' claims at a tiny budget
# make paper   test the papers' claims and write docs/paper: hours, DATA=folder; make paper-quick: minutes, tiny
# make bench   time our generators beside other projects' networks: DATA=folder
# make check   formatting, lint and types
# make clean   remove what the others made

PYTHON ?= python3
MINUTES ?= 3
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: demo test slow check bench paper paper-quick clean

demo: $(INSTALLED)
	$(BIN)/python examples/demo.py $(MINUTES)

test: $(INSTALLED)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The stamp makes a second call quick, and a change of the requirements installs again.
$(INSTALLED): pyproject.toml packages/impasto-train-data/pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e packages/impasto-train-data -e '.[train,openvino,formats,eval,dev]'
	touch $@

bench: $(INSTALLED)
	$(BIN)/python benchmarks/speed.py $(if $(DATA),--data $(DATA))

paper: $(INSTALLED)
	$(BIN)/python -m experiments --data $(DATA)

paper-quick: $(INSTALLED)
	$(BIN)/python -m experiments --quick --work runs/paper-quick

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
