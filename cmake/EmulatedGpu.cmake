# nativeamp-emulated-cuda, nativeamp-emulated-cublas: the GPU of the tests, built from tests/gpu-emulator or taken as NATIVEAMP_EMULATOR has it.
#
# The sanitize preset takes the release preset's. Under sanitizers the interpreter and its tests take five minutes of a core to build, and a kernel's test several
# times as long; what it looks at is the same either way: its own checks see a kernel's accesses, and the sanitizers see the library and its copies from and to the
# host's memory, for memcpy in the emulator is theirs. To sanitize the emulator itself, build it alone (tests/gpu-emulator/README.md).

if(NOT NATIVEAMP_EMULATOR)
  # artifacts/gpu-emulator for the build that .NET uses; beside the other presets' libraries else.
  if(NATIVEAMP_OUTPUT STREQUAL "${PROJECT_SOURCE_DIR}/artifacts/native")
    set(NATIVEAMP_EMULATOR_OUTPUT "${PROJECT_SOURCE_DIR}/artifacts/gpu-emulator")
  else()
    set(NATIVEAMP_EMULATOR_OUTPUT "${NATIVEAMP_OUTPUT}/gpu-emulator")
  endif()
  add_subdirectory(tests/gpu-emulator)
  set(NATIVEAMP_EMULATOR_TARGETS nativeamp-emulated-cuda nativeamp-emulated-cublas
    nativeamp-emulated-cublas-11 nativeamp-emulated-cublas-12 nativeamp-emulated-cublas-13)
  return()
endif()

set(NATIVEAMP_EMULATOR_OUTPUT "${NATIVEAMP_EMULATOR}")
set(NATIVEAMP_EMULATOR_TARGETS "")
foreach(library IN ITEMS cuda cublas)
  set(emulated "${NATIVEAMP_EMULATOR}/libnativeamp-emulated-${library}.so")
  if(NOT EXISTS "${emulated}")
    message(FATAL_ERROR
      "${emulated} is missing, which the tests are to run on.\n"
      "  Build it first: cmake --preset release && cmake --build --preset release\n"
      "  or build it here as well: -DNATIVEAMP_EMULATOR=")
  endif()
  add_library(nativeamp-emulated-${library} SHARED IMPORTED)
  set_target_properties(nativeamp-emulated-${library} PROPERTIES IMPORTED_LOCATION "${emulated}")
  target_include_directories(nativeamp-emulated-${library} INTERFACE "${PROJECT_SOURCE_DIR}/tests/gpu-emulator/include")
endforeach()
