# SPDX-License-Identifier: Apache-2.0
#
# The front: each target is safe to run again. CMake does the building (see CMakePresets.json).

PREFIX ?= /usr/local
DESTDIR ?=

.DEFAULT_GOAL := help
.PHONY: help setup build run sample test bench install clean
.PHONY: lab lab-programs lab-all lab-shell lab-cost lab-crossings

help:
	@echo "make run      install what is missing, build, make a sample library, serve it on port 8080"
	@echo "make test     install what is missing, then build and run every test"
	@echo "make bench    compare with nginx and with the floor"
	@echo "make build    build build/release/millrace"
	@echo "make sample   make the sample library in build/sample"
	@echo "make setup    install everything that the targets above need"
	@echo "make install  install below DESTDIR and PREFIX ($(PREFIX))"
	@echo "make lab      test in virtual machines: kernel TLS, several NUMA nodes, LACP"
	@echo "make lab-all  the same with the newest packaged kernel too"
	@echo "make lab-shell  a shell in such a machine"
	@echo "make lab-cost  instructions per request there, ours and nginx's"
	@echo "make lab-crossings  how often a byte changes its node there, ours and nginx's: a plot"
	@echo "make clean    remove build/"

setup:
	conf/build/setup build run test bench lab

build:
	conf/build/setup build
	cmake --preset release
	cmake --build --preset release --target millrace

sample:
	conf/build/setup run
	conf/sample/make.sh

run: build sample
	@conf/sample/run.sh

test: sample
	conf/build/setup build test lab
	test/run

bench: build
	conf/build/setup bench
	cmake --build --preset release --target floor pace handshakes download
	bench/run

# What the guest runs: the program, and the unit tests of what depends on the kernel.
lab-programs:
	conf/build/setup build lab
	cmake --preset release
	cmake --build --preset release

lab: lab-programs
	test/lab/run

lab-all: lab-programs
	test/lab/run --kernel 6.1 --kernel 6.12 --kernel newest

lab-shell: build
	conf/build/setup lab
	test/lab/run --shell

lab-cost: build
	conf/build/setup lab
	test/lab/run --cost
	test/lab/run --cost locality

lab-crossings: lab-programs
	test/lab/run --kernel 6.12 --machine numa2 test_locality.py
	test/lab/plot.py build/lab/6.12-numa2/crossings.json doc/crossings.svg

install:
	cmake --preset release -B build/install -DCMAKE_INSTALL_PREFIX=$(PREFIX) -DMILLRACE_TESTS=OFF
	cmake --build build/install --target millrace
	DESTDIR=$(DESTDIR) cmake --install build/install --strip

clean:
	rm -rf build
