# SPDX-License-Identifier: Apache-2.0
#
# The libraries, each with the oldest version that will do. One that is missing or too old is
# named together with the command that cures it.
find_package(PkgConfig)
if(NOT PKG_CONFIG_FOUND)
    message(FATAL_ERROR "pkg-config is missing. Cure: make setup")
endif()

function(millrace_require name module minimum)
    pkg_check_modules(${name} QUIET IMPORTED_TARGET GLOBAL ${module})
    if(NOT ${name}_FOUND)
        message(FATAL_ERROR "library ${module} (${minimum} or later) is missing. Cure: make setup")
    endif()
    if(${name}_VERSION VERSION_LESS minimum)
        message(FATAL_ERROR "library ${module} is ${${name}_VERSION}, which is too old: "
            "${minimum} or later is needed. Cure: make setup")
    endif()
    message(STATUS "${module} ${${name}_VERSION}")
    set(${name}_VERSION ${${name}_VERSION} PARENT_SCOPE)
endfunction()

millrace_require(LIBURING liburing 2.9)
millrace_require(LLHTTP libllhttp 9.0)
millrace_require(NGHTTP2 libnghttp2 1.52)
millrace_require(HWLOC hwloc 2.9)
millrace_require(NUMA numa 2.0.14)
millrace_require(OPENSSL openssl 3.0)
millrace_require(PCRE2 libpcre2-8 10.40)
millrace_require(ZLIB zlib 1.2.11)
if(MILLRACE_TESTS)
    millrace_require(CRITERION criterion 2.4)
endif()
