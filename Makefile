# One command a task. `make help` lists them; every target first brings .venv up to date.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.SUFFIXES:

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
export PYTHONPATH := platform

.PHONY: help
help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[36mmake %-9s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# An environment that was moved, or whose Python is gone, is made anew: its programs name a place that is not theirs.
STALE := $(shell test ! -e .venv || { $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' && \
	{ test ! -s $(READY) || test "$$(cat $(READY))" = "$(CURDIR)"; }; } 2>/dev/null || echo yes)
ifdef STALE
$(shell rm -f $(READY) $(BIN)/pip)
endif

# A home that cannot be written to, as in many containers, has no cache.
CACHE = $${UV_CACHE_DIR:-$${XDG_CACHE_HOME:-$$HOME/.cache}/uv}
UV = $(BIN)/uv $(shell { mkdir -p "$(CACHE)" && test -w "$(CACHE)"; } 2>/dev/null || echo --no-cache)

# uv comes from the lock like everything else, so nobody needs it beforehand.
$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with PYTHON=/path/to/python make ..."; exit 1; }
	@echo "Bringing .venv up to date ..."
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv
	@sed -n '/^uv==/,/# via/p' requirements/dev.txt > .venv/uv.txt
	@$(BIN)/uv --version 2>/dev/null | grep -qF "$$(sed -n 's/^uv==\([^ ]*\).*/uv \1/p' .venv/uv.txt)" || \
		$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r .venv/uv.txt
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@echo "$(CURDIR)" > $@

.PHONY: run
run: $(READY) ## bring the whole platform up on this machine (PORT=8000)
	@$(BIN)/python -m local run

.PHONY: stop
stop: $(READY) ## end everything that `make run` started
	@$(BIN)/python -m local stop

.PHONY: clean
clean: $(READY) ## stop, and delete the local data: next start begins anew
	@$(BIN)/python -m local clean

.PHONY: journey
journey: $(READY) ## walk sign-up to renewal over HTTP against the running platform
	@$(BIN)/python -m local journey

.PHONY: test
test: $(READY) ## run all tests (ARGS="tests/core -k outbox" for some)
	@$(BIN)/pytest $(ARGS)

.PHONY: lint
lint: $(READY) ## every static check; zero findings
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/typos
	@$(BIN)/python -m local with-servers bash -ec "\
		$(BIN)/python manage.py makemigrations --check --dry-run && \
		$(BIN)/python manage.py migrate --verbosity 0 && \
		$(BIN)/python manage.py lintmigrations && \
		$(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null"

.PHONY: fmt
fmt: $(READY) ## format, and mend what can be mended by itself
	@$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format .

# LOCALE=fr begins another language.
MESSAGES := platform/config/locale
.PHONY: messages
messages: $(READY) ## collect the text to translate, and compile what is translated
	@mkdir -p .local
	@$(BIN)/pybabel --quiet extract --mapping babel.cfg --no-location --sort-output \
		--keywords gettext_lazy --keywords ngettext_lazy:1,2 --output .local/messages.pot .
	@test -z "$(LOCALE)" || $(BIN)/pybabel --quiet init --domain django --input-file .local/messages.pot \
		--output-dir $(MESSAGES) --locale $(LOCALE)
	@$(BIN)/pybabel --quiet update --domain django --input-file .local/messages.pot --output-dir $(MESSAGES) \
		--ignore-obsolete --ignore-pot-creation-date --no-fuzzy-matching --no-wrap
	@$(BIN)/pybabel --quiet compile --domain django --directory $(MESSAGES)

.PHONY: bench
bench: $(READY) ## print a benchmark's figures (NAME=...)
	@test -n "$(NAME)" || { echo "Say which: make bench NAME=x, one of:" tests/benchmarks/bench_*.py; exit 2; }
	@$(BIN)/python -m tests.benchmarks.bench_$(NAME)

.PHONY: fuzz
fuzz: $(READY) ## the long form of the tests that search the API and billing for faults
	@FUZZ_EXAMPLES=500 $(BIN)/pytest -n0 tests/test_api_schema.py tests/billing/test_any_order.py --timeout=0 $(ARGS)

.PHONY: faults
faults: $(READY) ## the long form of the tests that kill, race and disturb (ROUNDS=10)
	@ROUNDS=$(or $(ROUNDS),10) $(BIN)/pytest $(ARGS) \
		-k "test_faults or kill or crash or Crash or race or at_once or two_"

.PHONY: shell
shell: $(READY) ## a Python shell on the running platform
	@$(BIN)/python manage.py shell

# A release may age a week before we take it.
COMPILE = $(UV) pip compile pyproject.toml --quiet --universal --generate-hashes \
	--custom-compile-command "make lock" --exclude-newer "7 days"
.PHONY: lock
lock: $(READY) ## compile requirements/*.txt from pyproject.toml (ARGS=--upgrade for newer releases)
	@$(COMPILE) $(ARGS) --output-file requirements/base.txt
	@$(COMPILE) $(ARGS) --group dev --constraint requirements/base.txt --output-file requirements/dev.txt
