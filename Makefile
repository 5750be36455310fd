# SPDX-License-Identifier: Apache-2.0
#
# The front: each target is safe to run again. CMake does the building (see CMakePresets.json).

PREFIX ?= /usr/local
DESTDIR ?=

.DEFAULT_GOAL := help
.PHONY: help setup build run sample test bench lab install clean

help:
	@echo "make run      install what is missing, build, make a sample library, serve it on port 8080"
	@echo "make test     install what is missing, then build and run every test"
	@echo "make bench    compare with nginx and with the floor"
	@echo "make build    build build/release/millrace"
	@echo "make sample   make the sample library in build/sample"
	@echo "make setup    install everything that the targets above need"
	@echo "make install  install below DESTDIR and PREFIX ($(PREFIX))"
	@echo "make lab      measure on a virtual machine with several NUMA nodes (not there yet)"
	@echo "make clean    remove build/"

setup:
	conf/build/setup build run test bench

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
	conf/build/setup build test
	test/run

bench: build
	conf/build/setup bench
	cmake --build --preset release --target floor pace
	bench/run

lab:
	@echo "make lab: not there yet"; exit 1

install:
	cmake --preset release -B build/install -DCMAKE_INSTALL_PREFIX=$(PREFIX) -DMILLRACE_TESTS=OFF
	cmake --build build/install --target millrace
	DESTDIR=$(DESTDIR) cmake --install build/install --strip

clean:
	rm -rf build
