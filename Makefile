# make demo      paint photos in the styles that come with Impasto, then learn a style and paint in it: minutes
# make test      all quick tests, and an install without torch
# make check     formatting, lint and types
# make slow      the tests that take minutes: the demo, and all of the papers' claims at a tiny budget
# make browser   all stories of the page in Chromium, one file after another; screenshots in build/page:
#                STORIES="test_paint.py test_views.py" for some
# make test-all  make test and make slow; then what computes with networks, as processors without AVX-512 and without
#                bfloat16 and with 1, 2 and 4 threads; then the built wheel on Python 3.11, 3.12 and 3.13 without torch,
#                and on 3.11 with the oldest dependencies that pyproject.toml allows
# make docs      the documentation site: build/docs/index.html
# make soak      10,000 mixed pictures through one process and one command: COUNT=500 for a smaller run
# make wheels    build both packages into dist/
# make lock      renew constraints.txt: the exact versions that `make` installs
# make paper     test the papers' claims and write docs/paper: a day or two, DATA=folder; make paper-quick: minutes, tiny
# make bench-video  how still and how fast films are painted: DATA=folder
# make bench-page   how quickly the page answers, and whether its memory stays flat: PHOTOS=100 for the latter
# make bench     time our generators beside other projects' networks: DATA=folder
# make clean     remove what the others made

PYTHON ?= python3
MINUTES ?= 3
COUNT ?= 10000
PHOTOS ?= 0
STORIES ?= .
BIN := .venv/bin
INSTALLED := .venv/installed
DATA_PACKAGE := packages/impasto-train-data

.PHONY: demo test check slow browser test-all docs soak wheels lock paper paper-quick bench bench-video bench-page clean

demo: $(INSTALLED)
	$(BIN)/python examples/demo.py $(MINUTES)

test: $(INSTALLED)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow

browser: $(INSTALLED)
	$(BIN)/python -m pytest -m "slow or not slow" $(STORIES:%=tests/web/browser/%)

test-all: test slow
	$(BIN)/python tools/test_everywhere.py
	$(BIN)/python tools/test_wheel.py 3.11 3.12 3.13
	$(BIN)/python tools/test_wheel.py --oldest 3.11

docs: $(INSTALLED)
	$(BIN)/sphinx-build --builder html --fail-on-warning --keep-going --quiet docs build/docs
	@echo $(CURDIR)/build/docs/index.html

soak: $(INSTALLED)
	$(BIN)/python -m tests.soak --count $(COUNT)

wheels: $(INSTALLED)
	$(BIN)/uv build --wheel --sdist --out-dir dist .
	$(BIN)/uv build --wheel --sdist --out-dir dist $(DATA_PACKAGE)

# torch is pinned by hand, everything else follows from pyproject.toml.
lock: $(INSTALLED)
	mkdir -p build && grep '^torch==' constraints.txt > build/torch.txt
	echo ./$(DATA_PACKAGE) | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade \
	    --no-annotate --no-header --all-extras --no-emit-package impasto-train-data -c build/torch.txt \
	    pyproject.toml - > build/constraints.txt
	(grep '^#' constraints.txt; cat build/constraints.txt) > build/new.txt && mv build/new.txt constraints.txt

# The stamp makes a second call quick, and a change of the requirements installs again.
$(INSTALLED): pyproject.toml $(DATA_PACKAGE)/pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e $(DATA_PACKAGE) -e '.[train,openvino,formats,video,flow,serve,eval,docs,dev]'
	touch $@

bench-video: $(INSTALLED)
	$(BIN)/python benchmarks/video.py --data $(DATA)

bench-page: $(INSTALLED)
	$(BIN)/python benchmarks/page.py --photos $(PHOTOS)

bench: $(INSTALLED)
	$(BIN)/python benchmarks/speed.py $(if $(DATA),--data $(DATA))

paper: $(INSTALLED)
	$(BIN)/python -m experiments --data $(DATA)
	$(BIN)/python -m experiments published --data $(DATA)
	$(BIN)/python -m experiments figures --data $(DATA)
	$(BIN)/python -m experiments optimized --data $(DATA)
	$(BIN)/python -m experiments --page-only

paper-quick: $(INSTALLED)
	$(BIN)/python -m experiments published --quick --work runs/paper-quick
	$(BIN)/python -m experiments plan --time --quick --work runs/paper-quick
	$(BIN)/python -m experiments figures --quick --work runs/paper-quick
	$(BIN)/python -m experiments optimized --quick --work runs/paper-quick
	$(BIN)/python -m experiments --quick --work runs/paper-quick

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
