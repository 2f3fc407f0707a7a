# nativeamp_test_program(NAME SOURCES...): a program of tests, linked with the library's objects, so that it sees the inside.
#
# The sanitize preset compiles the library alone, and takes the objects of the programs that the release preset has compiled: sanitizers are to look at
# the library, and their checks of the tests' own definitions, which read each element many times, took longer than all else. They see the library's
# accesses to the tests' memory all the same, for malloc is theirs. The library's objects are linked first: of a function that both have inline, the
# program has the one with checks.
set(NATIVEAMP_TEST_OBJECTS "" CACHE PATH "Build folder whose objects of tests are to be taken; empty: they are compiled")

function(nativeamp_test_program name)
  set(sources ${ARGN})
  set(objects "")
  if(NATIVEAMP_TEST_OBJECTS)
    set(list "${NATIVEAMP_TEST_OBJECTS}/test-objects/${name}.txt")
    if(NOT EXISTS "${list}")
      message(FATAL_ERROR
        "${list} is missing, which names the objects of ${name}.\n"
        "  Build them first: cmake --preset release && cmake --build --preset release\n"
        "  or compile them here as well: -DNATIVEAMP_TEST_OBJECTS=")
    endif()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${list}")
    file(STRINGS "${list}" objects)
    set(sources "")
  endif()
  add_executable(${name} ${sources} ${PROJECT_SOURCE_DIR}/tests/native/sanitizer_options.cpp)
  target_link_libraries(${name} PRIVATE nativeamp-objects nativeamp-kernels nativeamp-highway ${objects})
  if(NOT NATIVEAMP_TEST_OBJECTS)
    file(GENERATE OUTPUT "${CMAKE_BINARY_DIR}/test-objects/${name}.txt" CONTENT "$<JOIN:$<FILTER:$<TARGET_OBJECTS:${name}>,INCLUDE,\\.(o|obj)$>,\n>\n")
  endif()
endfunction()
