# SPDX-License-Identifier: MIT
# Short names for the common jobs; ninja and meson do the work.

BUILD ?= build
JOBS ?= 2
NINJA = ninja -C $(BUILD) -j$(JOBS)

.PHONY: all boot check check-long lint bench install clean

all: $(BUILD)/build.ninja
	$(NINJA)

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

# GUEST_KERNEL= and GUEST_INITRD= take other files than the ones made here.
boot: all
	EMULATOR=$(BUILD)/qemu-system-x86_64 python3 tests/guest/boot.py --cache $(BUILD)/guest

install: all
	meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf $(BUILD)
