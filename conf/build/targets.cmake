# SPDX-License-Identifier: Apache-2.0
#
# How a folder becomes a target. A folder without sources yet is an interface library, so that
# what depends on it can be written before it.

# Defaults that version.h carries; a package sets them with -D.
set(MILLRACE_PREFIX /var/lib/millrace CACHE STRING "default of -p")
set(MILLRACE_CONF_PATH /etc/millrace/millrace.conf CACHE STRING "default of -c")
set(MILLRACE_ERROR_LOG_PATH stderr CACHE STRING "default of -e")
set(MILLRACE_PID_PATH /run/millrace.pid CACHE STRING "default of the pid directive")

# millrace_target(target DEPENDENCY... SOURCES file...): a static library, or an interface one.
function(millrace_target target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES")
    list(TRANSFORM arg_UNPARSED_ARGUMENTS PREPEND millrace_ REGEX "^[a-z]+$")
    if(arg_SOURCES)
        add_library(${target} STATIC ${arg_SOURCES})
        target_link_libraries(${target} PUBLIC ${arg_UNPARSED_ARGUMENTS})
    else()
        add_library(${target} INTERFACE)
        target_link_libraries(${target} INTERFACE ${arg_UNPARSED_ARGUMENTS})
    endif()
endfunction()

# millrace_library(folder DEPENDENCY...): lib/folder, knowing only what is named here.
function(millrace_library folder)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/lib/${folder}/*.c)
    millrace_target(millrace_${folder} ${ARGN} SOURCES ${sources})
endfunction()

# Everything in server/ but main.c is a library, so that unit tests can link it.
function(millrace_program)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/server/*.c)
    set(main ${PROJECT_SOURCE_DIR}/server/main.c)
    list(FIND sources ${main} has_main)
    list(REMOVE_ITEM sources ${main})
    find_package(Threads REQUIRED)
    millrace_target(millrace_server net tls file PkgConfig::NGHTTP2 Threads::Threads
        SOURCES ${sources})
    if(has_main EQUAL -1 OR MILLRACE_FUZZ)
        return()
    endif()
    add_executable(millrace ${main})
    target_link_libraries(millrace PRIVATE millrace_server)
    millrace_install()
endfunction()

function(millrace_install)
    install(TARGETS millrace DESTINATION ${CMAKE_INSTALL_SBINDIR})
    install(DIRECTORY conf/examples DESTINATION ${CMAKE_INSTALL_DOCDIR})
    file(READ conf/millrace.service unit)
    string(REPLACE "/usr/sbin/millrace" "${CMAKE_INSTALL_FULL_SBINDIR}/millrace" unit "${unit}")
    file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/millrace.service CONTENT "${unit}")
    install(FILES ${PROJECT_BINARY_DIR}/millrace.service DESTINATION lib/systemd/system)
    # A configuration that is there already belongs to the administrator.
    get_filename_component(directory ${MILLRACE_CONF_PATH} DIRECTORY)
    foreach(file millrace.conf mime.types)
        install(CODE "if(NOT EXISTS \"\$ENV{DESTDIR}${directory}/${file}\")
            file(INSTALL \"${PROJECT_SOURCE_DIR}/conf/${file}\"
                DESTINATION \"${directory}\")
        endif()")
    endforeach()
    install(FILES doc/millrace.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8 OPTIONAL)
endfunction()

# millrace_criterion(label target test source LIBRARY...): one Criterion binary and its test.
function(millrace_criterion label target test source)
    set(extra)
    if(MILLRACE_SANITIZE STREQUAL "thread" AND CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
        set(extra ${PROJECT_SOURCE_DIR}/test/unit/criterion_tsan.c)
    endif()
    add_executable(${target} ${source} ${extra})
    set_target_properties(${target} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
    target_link_libraries(${target} PRIVATE ${ARGN} PkgConfig::CRITERION)
    # One at a time: ctest runs the binaries side by side, and Criterion 2.4 leaks a little of its
    # own when tests with a time limit run in parallel.
    add_test(NAME ${label}.${test} COMMAND ${target} --jobs=1)
    set_tests_properties(${label}.${test} PROPERTIES LABELS ${label} TIMEOUT 120)
endfunction()

# One Criterion binary per test file. test/unit/lib/X links X and what X may know, nothing more.
function(millrace_unit_tests)
    set(root ${PROJECT_SOURCE_DIR}/test/unit)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${root}/*_test.c)
    foreach(source IN LISTS sources)
        file(RELATIVE_PATH name ${root} ${source})
        string(REGEX REPLACE "_test\\.c$" "" name ${name})
        string(REPLACE "/" "." test ${name})
        string(REPLACE "/" "_" target unit/${name})
        if(name MATCHES "^lib/([a-z]+)/")
            set(library millrace_${CMAKE_MATCH_1})
        else()
            set(library millrace_server)
        endif()
        millrace_criterion(unit ${target} ${test} ${source} ${library})
    endforeach()
endfunction()

# test/fault/*_test.c run a worker whose system calls fail. What they share is a library;
# inject.c beside them is the preloaded one of the suite in Python.
function(millrace_fault_tests)
    set(root ${PROJECT_SOURCE_DIR}/test/fault)
    file(GLOB sources CONFIGURE_DEPENDS ${root}/*_test.c)
    file(GLOB shared CONFIGURE_DEPENDS ${root}/*.c)
    list(REMOVE_ITEM shared ${sources} ${root}/inject.c)
    if(NOT sources)
        return()
    endif()
    add_library(fault_shared STATIC ${shared})
    target_link_libraries(fault_shared PUBLIC millrace_server PkgConfig::CRITERION)
    foreach(source IN LISTS sources)
        get_filename_component(name ${source} NAME_WE)
        string(REGEX REPLACE "_test$" "" name ${name})
        millrace_criterion(fault fault_${name} ${name} ${source} fault_shared)
    endforeach()
endfunction()

# Programs that tests in the lab's guest use: test/lab/guest/NAME.c becomes lab_NAME.
function(millrace_lab_programs)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/lab/guest/*.c)
    foreach(source IN LISTS sources)
        get_filename_component(name ${source} NAME_WE)
        add_executable(lab_${name} ${source})
        target_link_libraries(lab_${name} PRIVATE millrace_server)
    endforeach()
endfunction()

# The tests that are not C: style, and what drives the program from outside.
function(millrace_suites)
    # Debian's own interpreter first: its pytest is the one that make setup installs.
    find_program(MILLRACE_PYTHON python3 HINTS /usr/bin REQUIRED)
    foreach(script check selftest packaging directives)
        add_test(NAME style.${script}
            COMMAND ${MILLRACE_PYTHON} ${PROJECT_SOURCE_DIR}/test/style/${script})
        set_tests_properties(style.${script} PROPERTIES LABELS style TIMEOUT 60)
    endforeach()
    file(GLOB scripts CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/*/test_*.py)
    list(TRANSFORM scripts REPLACE ".*/test/([^/]+)/[^/]+$" "\\1" OUTPUT_VARIABLE suites)
    list(REMOVE_DUPLICATES suites)
    foreach(suite IN LISTS suites)
        if(TARGET millrace)
            add_test(NAME e2e.${suite} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
                COMMAND ${MILLRACE_PYTHON} -B -m pytest -q -rs -p no:cacheprovider
                    --junitxml=${PROJECT_BINARY_DIR}/e2e-${suite}.xml test/${suite})
            set_tests_properties(e2e.${suite} PROPERTIES LABELS e2e TIMEOUT 600 RUN_SERIAL ON
                ENVIRONMENT MILLRACE_BINARY=$<TARGET_FILE:millrace>)
        endif()
    endforeach()
endfunction()

# Links a fuzz target with the folders that its own include lines name.
function(millrace_link_by_include target source)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
    file(STRINGS ${source} includes REGEX "^#include \"(lib/[a-z]+|server)/")
    foreach(include IN LISTS includes)
        string(REGEX REPLACE "^#include \"(lib/)?([a-z]+)/.*" "\\2" folder ${include})
        target_link_libraries(${target} PRIVATE millrace_${folder})
    endforeach()
endfunction()

function(millrace_fuzz_targets)
    set(root ${PROJECT_SOURCE_DIR}/test/fuzz)
    file(GLOB sources CONFIGURE_DEPENDS ${root}/*_fuzz.c)
    foreach(source IN LISTS sources)
        get_filename_component(target ${source} NAME_WE)
        string(REGEX REPLACE "_fuzz$" "" name ${target})
        add_executable(${target} ${source})
        millrace_link_by_include(${target} ${source})
        target_link_options(${target} PRIVATE -fsanitize=fuzzer)
        # libFuzzer adds what it finds to the first folder, so that is one in the build tree.
        set(found ${PROJECT_BINARY_DIR}/corpus/${name})
        file(MAKE_DIRECTORY ${found})
        set(seeds)
        if(EXISTS ${root}/corpus/${name})
            set(seeds ${root}/corpus/${name})
        endif()
        math(EXPR timeout "${MILLRACE_FUZZ_SECONDS} * 3 + 60")
        add_test(NAME fuzz.${name} COMMAND ${target} -max_total_time=${MILLRACE_FUZZ_SECONDS}
            -timeout=5 -print_final_stats=1 -artifact_prefix=${found}- ${found} ${seeds})
        set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT ${timeout})
    endforeach()
endfunction()
