# The verbs of Homeroom. `make help` lists them; each sets up what it needs.
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
DATA ?=
B ?=
FILES ?= 100000
KILLS ?= 10000
SEED ?= 1
STORE ?= sqlite
SCENARIOS ?=
ENGINE ?=
EXTRAS ?=
ORG ?= my_district

# What Go's programs here use, OPA and its compiler, collect their garbage less often.
export GOGC ?= 400

.PHONY: help setup demo up down certs test check static format lint types imports proto proto-check breaking \
	test-policy mutate-policy k8s-check vm-check image sbom opa only-down law bench plots fuzz soak wan pods mixed clean

help: ## list the verbs
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## make .venv from locked, hashed dependencies, and say which policy engine runs here
	@tools/setup.sh

demo: setup ## run the story of a federation; DATA=../shared/data runs it on two real districts
	@$(PYTHON) -m deploy.local.demo $(if $(DATA),--data $(DATA))

up: setup ## start the same federation and keep it running
	@$(PYTHON) -m deploy.local.up $(if $(DATA),--data $(DATA))

down: setup ## stop it
	@$(PYTHON) -m deploy.local.down

certs: setup ## make a development authority, the hub's keys and an organization's: ORG=name
	@test -d .local/certs/authority || .venv/bin/homeroom dev-ca init --folder .local/certs
	@test -d .local/certs/hub || .venv/bin/homeroom dev-ca hub --folder .local/certs
	@.venv/bin/homeroom dev-ca organization $(ORG) --folder .local/certs

test: setup ## every test of the project
	@$(PYTHON) -m pytest -n 2 --dist loadgroup -q

check: setup ## all that CI runs; what only reads the code goes on while opa is installed
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target opa static k8s-check
	@$(MAKE) --no-print-directory vm-check test-policy test

static: format-check lint types imports proto-check breaking

format: setup ## rewrite the code in the one format
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix --quiet . && .venv/bin/buf format -w

format-check: setup
	@.venv/bin/ruff format --check --quiet . && .venv/bin/buf format --diff --exit-code
lint: setup ## ruff and buf
	@.venv/bin/ruff check --quiet . && .venv/bin/buf lint

types: setup ## mypy, strict
	@.venv/bin/mypy

imports: setup ## the import contracts
	@.venv/bin/lint-imports --no-cache --no-logo

proto: setup ## generate homeroom/api from protos/
	@tools/generate_protos.sh

proto-check: setup ## fail if homeroom/api is not what protos/ says
	@tools/check_protos.sh

breaking: setup ## fail if protos/ break what main has
	@tools/check_breaking.sh

opa: setup ## install the pinned opa binary where Go is at hand, cached
	@tools/install_opa.sh

test-policy: setup ## format, strictness, tests and coverage of the Rego
	@$(PYTHON) -m tools.policy_tests

mutate-policy: setup ## delete each line of the policies in turn; fail if no test misses one
	@$(PYTHON) -m tools.policy_mutations

k8s-check: setup ## render every overlay and combination of components; check schemas, rules and settings
	@tools/install_kustomize.sh && $(PYTHON) -m tools.manifests

vm-check: setup ## render nodes of one machine for podman, two organizations side by side; check rules and units
	@tools/install_kustomize.sh && $(PYTHON) -m tools.vm_check

image: setup ## build the image of all services from the committed tree, twice; fail if the second is another; EXTRAS="services tracing" adds what traces need
	@tools/image.sh --twice $(if $(EXTRAS),--extras "$(EXTRAS)")

sbom: setup ## say what the image has, as CycloneDX, in .local/image; `make image` says it too
	@tools/image.sh --sbom $(if $(EXTRAS),--extras "$(EXTRAS)")

only-down: setup ## take every fact in turn from every vector of the policies (CI takes a part)
	@HOMEROOM_ALL_FACTS=1 $(PYTHON) -m pytest -q -n0 tests/policy/test_only_down.py

law: setup ## hear the law's cases in a real node; SCENARIOS=file.yaml hears others, ENGINE=server asks OPA servers
	@$(PYTHON) -m tools.law $(SCENARIOS) $(if $(ENGINE),--engine $(ENGINE))

bench: setup ## list the benchmarks; B=name runs one
	@$(PYTHON) -m benchmarks $(B)

plots: setup ## measure the way of the rows (10 min), and draw .local/benchmarks/index.html
	@for one in alternatives policy "datapath --nodes 10"; do $(PYTHON) -m benchmarks $$one || exit 1; done
	@$(PYTHON) -m benchmarks.page

fuzz: setup ## import FILES=100000 mutated files of every format, from SEED=1
	@$(PYTHON) -m tools.fuzz_intake --files $(FILES) --seed $(SEED)

soak: setup ## kill a node and cut its power KILLS=10000 times in the middle of its work, from SEED=1; STORE=postgresql has that die
	@$(PYTHON) -m tools.soak --kills $(KILLS) --seed $(SEED) --store $(STORE)

wan: setup ## ask over a network of 40 ms each way that loses 2 %, cut it and heal it; needs root and /dev/net/tun; SEED=1
	@$(PYTHON) -m tools.wan --seed $(SEED)

pods: setup opa ## play a hub and two organizations from our manifests as containers, and break them; needs root and mmdebstrap
	@tools/install_kustomize.sh && $(PYTHON) -m tools.pods

mixed: setup ## run the nodes of PREVIOUS, a commit or tag, with this tree's hub, and the other way round
	@$(PYTHON) -m tools.mixed $(PREVIOUS)

clean: ## remove what the verbs made
	rm -rf .venv .local .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
