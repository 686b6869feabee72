# The same commands a person and .ci/run use. `make` formats, lints and tests.

GO       ?= go
PKGS     ?= ./...
FUZZTIME ?= 10s
LINT     := bin/golangci-lint

.DEFAULT_GOAL := check
.PHONY: check fmt fmt-check lint test race model fuzz bench gen itest cover

check: fmt lint test

fmt:
	gofmt -l -w .

# What gofmt would change, as a diff; fails if that is anything.
fmt-check:
	@d=$$(gofmt -d .); if [ -n "$$d" ]; then echo "$$d"; echo 'not formatted: run make fmt' >&2; exit 1; fi

# The linter is built once, from its own module file: its 200 dependencies stay out of
# go.mod. It is rebuilt when the version in tools/golangci.mod changes.
$(LINT): tools/golangci.mod tools/golangci.sum
	$(GO) build -modfile=tools/golangci.mod -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@

lint: $(LINT)
	$(LINT) run $(PKGS)

test:
	$(GO) test $(PKGS)

# Everything but the multi-process tests, whose processes the detector would not see.
race:
	$(GO) test -race -short $$($(GO) list $(PKGS) | grep -v /itest)

# The randomised check of the merge rules S1-S5, at its full number of histories.
model:
	$(GO) test -count=1 -v -run '^TestModel$$' ./wob

# Every fuzz target for FUZZTIME each. Go fuzzes one target a run.
fuzz:
	@set -e; for pkg in $$($(GO) list $(PKGS)); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "fuzz $$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

bench:
	$(GO) test -run '^$$' -bench . -benchmem $(PKGS)

gen:
	$(GO) generate $(PKGS)

# Real processes on loopback, the long ones included.
itest:
	CI=true $(GO) test -count=1 -timeout 20m -v ./itest

cover:
	$(GO) test -coverprofile=cover.out $(PKGS)
	$(GO) tool cover -func=cover.out | tail -n 1
