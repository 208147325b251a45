# One folder, one target. A target sees the headers of what it links and of nothing else: every
# library gets an include directory of its own that holds one link, <name> -> its folder, so that
# #include "files/read.h" compiles only where the files library is linked.

set(OG_INCLUDE_ROOT ${CMAKE_BINARY_DIR}/include)

function(og_include_root name dir)
    file(MAKE_DIRECTORY ${OG_INCLUDE_ROOT}/${name})
    file(CREATE_LINK ${dir} ${OG_INCLUDE_ROOT}/${name}/${name} SYMBOLIC)
endfunction()

# og_library(<name> SOURCES a.c b.c [LINKS lib...] [PRIVATE_LINKS lib...])
function(og_library name)
    cmake_parse_arguments(arg "" "" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
    og_include_root(${name} ${CMAKE_CURRENT_SOURCE_DIR})
    add_library(og_${name} STATIC ${arg_SOURCES})
    target_include_directories(og_${name} PUBLIC ${OG_INCLUDE_ROOT}/${name})
    target_compile_options(og_${name} PRIVATE ${OG_WARNINGS})
    target_link_libraries(og_${name} PUBLIC ${arg_LINKS} PRIVATE ${arg_PRIVATE_LINKS})
endfunction()

# What is installed, without the tests; and the fuzz targets alone.
add_custom_target(programs)
add_custom_target(fuzzers)

# The package a program belongs to.
function(og_component name out)
    if(name MATCHES "desktop")
        set(${out} agent-desktop PARENT_SCOPE)
    elseif(name MATCHES "^opengeni-agent")
        set(${out} agent PARENT_SCOPE)
    else()
        set(${out} hub PARENT_SCOPE)
    endif()
endfunction()

# og_program(<name> SOURCES ... LINKS ...): an installed program, runnable from build/bin.
function(og_program name)
    cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
    add_executable(${name} ${arg_SOURCES})
    target_compile_options(${name} PRIVATE ${OG_WARNINGS})
    target_link_libraries(${name} PRIVATE ${arg_LINKS})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
    og_component(${name} component)
    install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT ${component})
    add_dependencies(programs ${name})
endfunction()

# og_test(<name> SOURCES ... LINKS ...): a unit test written with Check, run by ctest.
function(og_test name)
    if(NOT OG_TESTS)
        return()
    endif()
    cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
    add_executable(test_${name} ${arg_SOURCES})
    target_compile_options(test_${name} PRIVATE ${OG_WARNINGS} -Wno-conversion -Wno-format)
    target_compile_definitions(test_${name} PRIVATE OG_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    target_link_libraries(test_${name} PRIVATE ${arg_LINKS} PkgConfig::CHECK)
    set_target_properties(test_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
    add_test(NAME ${name} COMMAND test_${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT 900)
endfunction()

# og_fuzz(<name> SOURCES ... LINKS ...): a libFuzzer target; without OG_FUZZ a program that feeds
# the files named on its command line, so that a crash can be replayed with any compiler.
function(og_fuzz name)
    if(NOT OG_TESTS)
        return()
    endif()
    cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
    if(OG_FUZZ)
        add_executable(fuzz_${name} ${arg_SOURCES})
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    else()
        add_executable(fuzz_${name} ${arg_SOURCES} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
    endif()
    target_compile_options(fuzz_${name} PRIVATE ${OG_WARNINGS} -Wno-missing-prototypes)
    target_link_libraries(fuzz_${name} PRIVATE ${arg_LINKS})
    add_dependencies(fuzzers fuzz_${name})
    set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
endfunction()
