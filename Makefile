# `make help` lists what there is. Each target makes the environment in .venv first, where that is missing or old.

PROFILE ?= laptop
JOBS    ?= 2
IMAGES  ?=
ONLY    ?=
STRICT  ?=
REUSE   ?=
BENCH   ?= full
MINUTES ?= 10

# What the user says reaches the shell in the environment only, where nothing in it is expanded or executed.
VALUES  := PROFILE JOBS IMAGES ONLY STRICT REUSE BENCH MINUTES
$(foreach name,$(VALUES),$(eval override $(name) := $$(value $(name))))
export $(VALUES)
export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))
# pip installs into .venv, whatever the user's own pip does.
unexport PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT

PYTHONS  := python3.13 python3.12 python3.11 python3 python
VENV     := .venv
PYTHON   := $(VENV)/bin/python
STAMP    := $(VENV)/.installed
AXE      := tests/npm/node_modules/axe-core/axe.min.js
REPRODUCE = $(PYTHON) -m paperlib reproduce --profile "$$PROFILE" --jobs "$$JOBS" --only "$$ONLY" \
            $${IMAGES:+--images "$$IMAGES"} $${STRICT:+--strict} $${REUSE:+--reuse}

ifneq ($(wildcard $(STAMP)),)
ifneq ($(shell $(PYTHON) -c 'import sys; print(sys.version_info >= (3, 11))' 2>&1),True)
.PHONY: $(STAMP) # its Python is gone
endif
endif

.DEFAULT_GOAL := help
.PHONY: help setup reproduce plan book pdf serve test torture inspect references bench lint clean

help:  ## List these targets
	@echo "Usage: make TARGET [PROFILE=smoke|laptop|paper] [JOBS=2] [IMAGES=source] [ONLY=name,name] [STRICT=1] [REUSE=1]"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(STAMP)  ## Make the environment in .venv

reproduce: $(STAMP)  ## Execute every notebook that is not up to date and build the book into _build/html
	@$(REPRODUCE)

plan: $(STAMP)  ## Show what `make reproduce` would execute, and why
	@$(REPRODUCE) --plan

book: $(STAMP)  ## Build the book from the results there are, executing nothing
	@$(REPRODUCE) --no-execute

pdf: $(STAMP)  ## Print the book from the results there are into _build/book.pdf (needs Chromium)
	@$(REPRODUCE) --no-execute --pdf

serve: $(STAMP)  ## Show the built book at http://localhost:8000
	@test -f _build/html/index.html || { echo "There is no book yet: run 'make reproduce' first." >&2; exit 1; }
	$(PYTHON) -m http.server 8000 --bind localhost --directory _build/html

test: $(STAMP)  ## Run the tests, and the reference notebooks with nbval
	$(PYTHON) -m pytest -n 2 --dist loadfile

torture: $(STAMP)  ## Try to break it for MINUTES=10: kills, damaged files and downloads, full disks, random problems
	$(PYTHON) tests/torture.py --minutes "$$MINUTES"

inspect: $(STAMP) $(AXE)  ## Open every page of the built book in headless Chromium (which has to be installed, and npm)
	$(PYTHON) -m pytest -n 2 -m rendered tests/test_rendered_book.py

references: $(STAMP)  ## Make the reference notebooks that `make test` compares with (tests/reference)
	$(PYTHON) tests/references.py

bench: $(STAMP)  ## Measure all trainers side by side (BENCH=quick: minutes; full: most of an hour)
	$(PYTHON) benchmarks/bench.py --profile "$$BENCH" $${IMAGES:+--images "$$IMAGES"}

lint: $(STAMP)  ## Check style, types and spelling
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) -m codespell_lib

clean:  ## Remove everything that was built, results included; the environment stays
	@test ! -e _build/lock || ! $(PYTHON) -c '' 2>/dev/null || \
	  $(PYTHON) -c 'import fcntl; fcntl.flock(open("_build/lock"), fcntl.LOCK_EX | fcntl.LOCK_NB)' 2>/dev/null || \
	  { echo "The book is being made ($$(cat _build/lock)): wait for its end, or end it, before 'make clean'." >&2; exit 1; }
	rm -rf _build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(STAMP): pyproject.toml constraints.txt
	@set -e; found=; \
	for python in $(PYTHONS); do \
	  if $$python -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Python 3.11 or newer (with its venv module) is needed, and none of $(PYTHONS) is one: install it first." >&2; \
	  exit 1; \
	fi; \
	echo "Making $(VENV) with $$($$found --version)"; \
	$$found -m venv $$($(PYTHON) -c '' 2>/dev/null || echo --clear) $(VENV); \
	echo "Installing the pinned packages, which takes a few minutes the first time"
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(AXE):
	npm ci --silent --prefix tests/npm
