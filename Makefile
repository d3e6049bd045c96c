# Needs Python 3.11, git and make. `make run` and `make test` are all that a newcomer has to know.
# PYTHON=/path/to/python3.11 names another interpreter; TOCSIN_HOME another place for the data.

.PHONY: run test unit check bench fuzz lock install

run: install
	@exec .venv/bin/tocsin up --plan example --drill

test: install
	@exec .venv/bin/python -m pytest $(ARGS)

# What runs on every change: the packages that need no server, on two cores, in under a minute.
unit: install
	@exec .venv/bin/python -m pytest -q -n 2 -m "not slow and not counterparty and not prefect" \
	  tests/contacts tests/customers tests/incidents tests/listening tests/notifications tests/runbooks tests/signals \
	  tests/storage $(ARGS)

check: install
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: install
	@exec .venv/bin/python -m bench $(ARGS)

# Schemathesis with so many requests an operation, from a new seed; its output stands in the test's. FUZZ=1000 takes hours.
fuzz: install
	@TOCSIN_FUZZ=$(or $(FUZZ),100) .venv/bin/python -m pytest tests/integration/test_openapi_holds.py $(ARGS)

install:
	@tools/install.sh

# The only way in which requirements.lock changes. Needs uv.
lock:
	uv pip compile pyproject.toml --group dev --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements.lock
