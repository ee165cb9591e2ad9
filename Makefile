# Every target makes what it needs and can be run first on a fresh machine; Python 3.11 or newer and make suffice.
#   make lab ARGS="--no-browser --port 8900"
#   make test PYTHON=python3.12
#   make lab EFFLAB_TORCH=default          (see README: which build of PyTorch)

PYTHON  ?= python3
ARGS    ?=
TOPIC   ?= pruning
SCALE   ?= cpu
WORKERS ?= 2
ROUNDS  ?= 2

BIN   := .venv/bin
SETUP := $(PYTHON) tools/setup.py

# Waiting threads sleep: on a busy machine that is worth a factor of five.
export OMP_WAIT_POLICY = passive
export EFFLAB_TORCH

.PHONY: help lab test instructor lint types labs labs-check gates book bench class reproduce nightly fuzz clean
.DEFAULT_GOAL := help

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

lab:  ## JupyterLab on your own copies of the labs; ARGS="--no-browser --port 8900"
	@$(SETUP) --extra student
	@$(BIN)/efflab lab $(ARGS)

test:  ## lint, types and every test that takes less than a minute
	@$(SETUP) --extra dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -n $(WORKERS) --doctest-modules -m "not slow" efflab tests

instructor:  ## the command autograder: release, grade, feedback, export
	@$(SETUP) --extra instructor
	@$(BIN)/autograder doctor

lint:  ## ruff: lint and format, both put right where ruff can
	@$(SETUP) --extra dev --quiet
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types:  ## mypy --strict
	@$(SETUP) --extra dev --quiet
	$(BIN)/mypy

labs:  ## regenerate labs/ from solutions/
	@$(SETUP) --extra instructor --quiet
	$(BIN)/python -m autograder.build

labs-check:  ## fail if labs/ is not what solutions/ gives
	@$(SETUP) --extra instructor --quiet
	$(BIN)/python -m autograder.build --check

gates:  ## the gates of every lab: solutions, stubs, mutants, honest variants
	@$(SETUP) --extra dev --quiet
	$(BIN)/python -m autograder.gates

book:  ## the book, into build/book/html
	@$(SETUP) --extra book
	$(BIN)/python book/build.py

bench:  ## speed and memory against peers, each in one run
	@$(SETUP) --extra dev --quiet
	@set -e; for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file; done

class:  ## grade a class of 200 against nbgrader, about 20 minutes
	@$(SETUP) --extra dev --quiet
	$(BIN)/python benchmarks/grading.py --class 200 --write

reproduce:  ## a paper's experiments: TOPIC=pruning SCALE=smoke|cpu|full
	@$(SETUP) --extra student --quiet
	$(BIN)/efflab reproduce $(TOPIC) --scale $(SCALE) $(ARGS)

nightly:  ## what is too long for every change: slow tests, paper-scale runs
	@$(SETUP) --extra dev
	$(BIN)/python -m pytest -q -m slow tests
	$(BIN)/python -m autograder.bank
	$(BIN)/python -m autograder.bank.kills --moments 50
	$(BIN)/efflab reproduce measuring --scale $(SCALE)
	$(BIN)/efflab reproduce pruning --scale $(SCALE)
	$(BIN)/efflab reproduce quantization --scale $(SCALE)
	$(BIN)/efflab reproduce deep_compression --scale $(SCALE)

fuzz:  ## coverage-guided fuzzing of the .efz reader, on Linux, in rounds of five minutes: ROUNDS=2
	@$(SETUP) --extra dev --extra fuzz
	@mkdir -p build/fuzz/corpus
	@set -e; for round in $$(seq $(ROUNDS)); do NUMBA_DISABLE_JIT=1 $(BIN)/python tests/fuzz/fuzz_efz.py \
	  build/fuzz/corpus tests/fixtures/efz -max_total_time=300 -artifact_prefix=build/fuzz/; done

clean:  ## remove what was built; .venv and my-labs stay
	rm -rf build dist book/_build book/_generated .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
