# SPDX-License-Identifier: MIT
# Short names for the common jobs; ninja and meson do the work. `make help` lists them.

BUILD ?= build
JOBS ?= $(shell nproc)
NINJA = ninja -C $(BUILD) -j$(JOBS)

.PHONY: all help boot check check-long lint bench install clean

all: $(BUILD)/build.ninja
	$(NINJA)

help:
	@echo 'make             build everything; the emulator is $(BUILD)/qemu-system-x86_64'
	@echo 'make boot        build it and boot Linux to a shell on this terminal; Ctrl-A X ends it'
	@echo 'make check       build and run every test but the long ones'
	@echo 'make check-long  all of them: soaks, stress and fuzzers of minutes each'
	@echo 'make lint        check style, layers and sizes'
	@echo 'make bench       run the benchmarks'
	@echo 'make install     install to the prefix given to ./configure'
	@echo 'make clean       remove $(BUILD)'
	@echo 'BUILD=DIR is the build folder, JOBS=N how many compilers run at once (JOBS=$(JOBS))'

# A changed configure may list another package.
$(BUILD)/build.ninja: configure
	./configure --install-deps --build-dir=$(BUILD)

check: all
	$(NINJA) meson-test-prereq
	meson test -C $(BUILD) --no-rebuild --print-errorlogs --no-suite long

check-long: all
	$(NINJA) meson-test-prereq
	meson test -C $(BUILD) --no-rebuild --print-errorlogs --timeout-multiplier 4

lint: $(BUILD)/build.ninja
	$(NINJA) lint

bench: all
	$(NINJA) meson-benchmark-prereq
	meson test -C $(BUILD) --no-rebuild --benchmark --verbose

# Needs the emulator only. GUEST_KERNEL= and GUEST_INITRD= take other files than the ones made here.
boot: $(BUILD)/build.ninja
	$(NINJA) qemu-system-x86_64
	EMULATOR=$(BUILD)/qemu-system-x86_64 python3 tests/guest/boot.py --cache $(BUILD)/guest

install: all
	meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf $(BUILD)
