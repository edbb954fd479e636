# The same targets for people and for CI. `make` alone lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

EDGEDROP_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/edgedrop
export EDGEDROP_CACHE
# Our own modules are compiled once, also where the machine says otherwise (see toolchain/lib/python.sh).
unexport PYTHONDONTWRITEBYTECODE
export PATH := $(CURDIR)/.venv/bin:$(EDGEDROP_CACHE)/bin:$(PATH)

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: ## bring this machine to a working state (a no-op the second time)
	@toolchain/setup

images: setup ## build the images that changed
	@python -m node_image.build

demo: images ## stand lab and drop up, sell, kill an appliance, show that nothing was lost
	@edgedrop demo

up: images ## stand lab and drop up (or mend them)
	@edgedrop up lab harbour-lights --yes

down: setup ## take every stack of this machine away
	@edgedrop down --all --yes

lint: ## style and types
	@ruff check .
	@ruff format --check .
	@mypy
	@if [ -d playbooks ]; then ansible-lint --offline -q playbooks; fi

check: setup lint ## lint and the tests that need no Docker: under 90 s
	@pytest tests/unit tests/property -n 2 -q

test: images check ## everything; what the README names
	@pytest tests/e2e -n 2 --dist loadfile --no-loadscope-reorder -q --durations=10 --timeout=1500

bench: ## NAME=x: run a bench, write build/bench/<name>.json
	@$(call run_by_name,bench)

chaos: ## NAME=x: run a chaos scenario, write build/chaos/<name>.json
	@$(call run_by_name,chaos)

define run_by_name
if [ -f "tests/$(1)/$(or $(NAME),__main__).py" ]; then \
    python -m tests.$(1) $(NAME); \
else \
    echo "error: no $(1) $(if $(NAME),is named $(NAME),is here yet)" >&2; \
    echo "hint: there are: $$(cd tests/$(1) 2>/dev/null && ls *.py 2>/dev/null | sed 's/\.py$$//' | grep -v '^__' | tr '\n' ' ' || true)" >&2; \
    exit 2; \
fi
endef

.PHONY: help setup images demo up down lint check test bench chaos
