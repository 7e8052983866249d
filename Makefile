# opgraph: two commands matter, `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
export PYTHONHASHSEED ?= 0

.PHONY: demo test test-slow check format bench gallery clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) --constraint constraints.txt "pip>=25.1"

$(VENV)/train: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --constraint constraints.txt --editable ".[train,report]"
	@touch $@

$(VENV)/dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --constraint constraints.txt --editable ".[all]" --group dev
	@touch $@ $(VENV)/train

## demo: the main job on the sample network: read, draw, train on real images, measure every step,
##       explain the last one and report on all (runs/demo/story.html, runs/demo/report.html)
demo: $(VENV)/train
	@$(BIN)/opgraph show sample_graphs/cnn.txt
	@$(BIN)/opgraph trace sample_graphs/cnn.txt --data digits --steps 400 \
	    --set 'batch_norm*.momentum=0.9' --output runs/demo --overwrite
	@$(BIN)/opgraph explain runs/demo -o runs/demo/story.html
	@$(BIN)/opgraph report runs/demo

## test: all tests but the slow ones
test: $(VENV)/dev
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow"

## test-slow: the tests that take minutes
test-slow: $(VENV)/dev
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m slow

## check: format, lint, types, import contracts, and the tests that need no TensorFlow
check: $(VENV)/dev
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/basedpyright --warnings
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not tf and not slow and not browser"

## format: put every file into the house style
format: $(VENV)/dev
	$(BIN)/ruff check --quiet --fix-only .
	$(BIN)/ruff format --quiet .

## bench: speed and size as ratios measured side by side
bench: $(VENV)/dev
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/layout.py
	$(BIN)/python benchmarks/overhead.py --all
	$(BIN)/python benchmarks/replay.py

## gallery: every picture of docs/gallery anew
gallery: $(VENV)/dev
	$(BIN)/python tools/gallery.py

clean:
	rm -rf $(VENV) runs build *.egg-info
