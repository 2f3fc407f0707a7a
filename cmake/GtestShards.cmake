# nativeamp_test_shards(NAME PROGRAM COUNT [gtest's arguments]): GoogleTest's tests of a program as COUNT tests, NAME.shard.0 and so on. A process for
# each test would open a device each, for which the emulated GPU reads every kernel: longer than most tests take. Each shard leaves its results in
# gtest/NAME.shard.I.xml of the build's folder, where build.sh counts and names the single tests.
function(nativeamp_test_shards name program count)
  math(EXPR last "${count} - 1")
  set(results "${CMAKE_BINARY_DIR}/gtest")
  if(WIN32 AND CMAKE_CROSSCOMPILING)
    set(results "Z:${results}") # Wine's name; without a drive GoogleTest takes a path for a relative one
  endif()
  foreach(shard RANGE ${last})
    set(test ${name}.shard.${shard})
    add_test(NAME ${test} COMMAND ${program} --gtest_brief=1 "--gtest_output=xml:${results}/${test}.xml" ${ARGN})
    set_tests_properties(${test} PROPERTIES TIMEOUT 1800 ENVIRONMENT "GTEST_TOTAL_SHARDS=${count};GTEST_SHARD_INDEX=${shard}")
  endforeach()
endfunction()

# A test that is there for every device has two neighbours, one for the CPU and one for the GPU: an odd number of shards has both in each.
set(NATIVEAMP_TEST_SHARDS 17)
