# How tests are declared. Labels: unit (no root), privileged (root, BPF, libvirt, qemu), end_to_end (the
# three programs on loopback), load (the generators, on the whole machine), browser (and chromium), kernels
# (other kernels under emulation), fuzz (some seconds of libFuzzer each); and alone, of those that measure
# the whole machine.

# A run of everything has the unit tests in the build with sanitizers: once is enough.
option(VIRTPULSE_UNIT_TESTS "Unit tests; OFF leaves those that sanitizers make a difference to" ON)

# virtpulse_unit_test(NAME [ALSO_WITHOUT_SANITIZERS] SOURCES... [LIBS libraries...]): a Catch2 program;
# each case is a ctest. ALSO_WITHOUT_SANITIZERS: it asserts more in a build without them.
function(virtpulse_unit_test name)
  cmake_parse_arguments(A "ALSO_WITHOUT_SANITIZERS" "" "LIBS" ${ARGN})
  if(NOT VIRTPULSE_UNIT_TESTS AND NOT A_ALSO_WITHOUT_SANITIZERS)
    return()
  endif()
  add_executable(${name} ${A_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${A_LIBS} virtpulse_catch_main)
  virtpulse_options(${name})
  catch_discover_tests(${name} TEST_PREFIX "${name}: " PROPERTIES LABELS unit TIMEOUT 60)
endfunction()

# virtpulse_python_test(NAME SCRIPT LABEL label [TIMEOUT seconds] [ARGS...]): exit code 77 means
# that the machine lacks what the test needs; the script says what.
function(virtpulse_python_test name script)
  cmake_parse_arguments(A "" "LABEL;TIMEOUT" "ARGS" ${ARGN})
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  add_test(NAME ${name} COMMAND /usr/bin/python3 ${CMAKE_CURRENT_SOURCE_DIR}/${script} ${A_ARGS})
  set_tests_properties(${name} PROPERTIES
    LABELS ${A_LABEL} TIMEOUT ${A_TIMEOUT} SKIP_RETURN_CODE 77
    ENVIRONMENT "VIRTPULSE_BIN=${CMAKE_BINARY_DIR}/bin;PYTHONDONTWRITEBYTECODE=1;PYTHONPATH=${CMAKE_SOURCE_DIR}/tests:${CMAKE_SOURCE_DIR}/tools")
endfunction()

# virtpulse_runs_alone(TEST...): nothing else runs beside these.
function(virtpulse_runs_alone)
  set_tests_properties(${ARGN} PROPERTIES RUN_SERIAL ON)
  set_property(TEST ${ARGN} APPEND PROPERTY LABELS alone)
endfunction()
