# SPDX-License-Identifier: Apache-2.0
#
# Flags that every file is compiled with. A warning is an error: a build that is not silent fails.
include(CheckCCompilerFlag)

add_compile_definitions(_GNU_SOURCE)
include_directories(${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
add_compile_options(-Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes
    -Wmissing-prototypes -Wformat=2 -Werror)

# Source paths in the binary are relative, so that two builds of one commit are the same.
add_compile_options(-ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)

if(MILLRACE_HARDENING)
    add_compile_options(-D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection
        -Wformat -Werror=format-security -fPIE)
    # Control-flow protection is spelt differently on each processor.
    foreach(flag -fcf-protection -mbranch-protection=standard)
        string(MAKE_C_IDENTIFIER "has${flag}" has)
        check_c_compiler_flag("${flag} -Werror" ${has})
        if(${has})
            add_compile_options(${flag})
        endif()
    endforeach()
    add_link_options(-pie -Wl,-z,relro -Wl,-z,now)
    # One request walks through some forty files; across them the linker saves a tenth of its cost.
    include(CheckIPOSupported)
    check_ipo_supported(RESULT has_ipo OUTPUT ipo_output LANGUAGES C)
    set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ${has_ipo})
    # Machine code beside it, for the many test programs: each would be optimised as a whole anew.
    if(has_ipo AND CMAKE_C_COMPILER_ID STREQUAL "GNU" AND MILLRACE_TESTS)
        add_compile_options(-ffat-lto-objects)
    endif()
endif()

if(MILLRACE_SANITIZE)
    add_compile_options(-fsanitize=${MILLRACE_SANITIZE} -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${MILLRACE_SANITIZE})
    if(MILLRACE_SANITIZE MATCHES "undefined")
        add_compile_options(-fno-sanitize-recover=undefined)
    endif()
endif()
if(MILLRACE_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "fuzz targets need clang. Cure: make setup, then cmake --preset fuzz")
    endif()
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(MILLRACE_COVERAGE)
    add_compile_options(--coverage)
    add_link_options(--coverage)
endif()
