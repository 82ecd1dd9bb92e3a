# Everything here works on a clean clone: each target installs what it lacks and skips what is there.
.DEFAULT_GOAL := help
.PHONY: help serve test check lint bench bench-peers bench-compare bench-curves bench-baseline reload-under-load soak lock demo-mysql environment runtime servers

bin := .venv/bin

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: runtime  ## Install what the service needs, start it on http://127.0.0.1:8000
	@exec $(bin)/talentfeed serve

test: environment servers  ## Run the whole suite, doctests included, against real servers
	@scripts/test.sh

check: lint servers  ## What CI checks: style, types, layers and the tests
	@scripts/test.sh --unless-passed

lint: environment
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/lint-imports

bench: environment servers  ## Run the benchmarks and print their table, beside benchmarks/baseline.json
	@$(bin)/python -m benchmarks

bench-peers: environment  ## The same with other libraries beside it, installed into .venv-peers
	@test -d .venv-peers || python3 -m venv .venv-peers
	@.venv-peers/bin/pip install --quiet contextualbandits mabwiser vowpalwabbit
	@$(bin)/python -m benchmarks scoring

bench-compare: environment  ## These files against the baseline's commit (AGAINST=ref), in pairs; fails when slower
	@$(bin)/python -m benchmarks compare $(if $(AGAINST),--against $(AGAINST))

bench-curves: environment servers  ## Measure the curves of docs/performance.md anew and draw them: four minutes
	@$(bin)/python -m benchmarks curves

bench-baseline: environment servers  ## Measure benchmarks/baseline.json anew, on a machine that does nothing else
	@$(bin)/python -m benchmarks --save

reload-under-load: environment  ## Four minutes of feeds over ten reloads with 1, 2 and 4 workers; fails on a broken promise
	@$(bin)/python -m benchmarks.reload_under_load

lock: environment  ## Resolve the dependencies anew and write requirements/*.lock
	@scripts/lock.sh

soak: environment servers  ## Half an hour of faults under load: nothing lost, nothing grows
	@$(bin)/python -m scripts.soak

demo-mysql: environment servers  ## Serve the Last.fm data from a MariaDB behind an SSH tunnel, show a feed, stop
	@$(bin)/python -m scripts.demo_mysql

runtime:
	@scripts/bootstrap.sh runtime

environment:
	@scripts/bootstrap.sh development

servers:
	@scripts/install_servers.sh
