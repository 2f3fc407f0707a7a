// The emulated GPU (tests/gpu-emulator) for the tests: the same library that the CUDA backend
// opens, with its findings.
#pragma once

#include "../gpu-emulator/include/nampemu.h"

namespace namp_test {

// Its functions that tests call, by their names without nampemu_.
#define NAMP_TEST_EMULATOR_FUNCTIONS(X) \
  X(findings)                           \
  X(finding_text)                       \
  X(reset)                              \
  X(reset_findings)                     \
  X(reset_counters)                     \
  X(get_counters)                       \
  X(calls_of)                           \
  X(launches_of)                        \
  X(called_function)                    \
  X(live_allocations)                   \
  X(live_modules)                       \
  X(live_streams)                       \
  X(live_events)                        \
  X(live_graphs)                        \
  X(fail)                               \
  X(fail_none)                          \
  X(forget_writes)                      \
  X(peek)

struct EmulatedGpu {
#define NAMP_TEST_MEMBER(name) decltype(&nampemu_##name) name = nullptr;
  NAMP_TEST_EMULATOR_FUNCTIONS(NAMP_TEST_MEMBER)
#undef NAMP_TEST_MEMBER

  // A function of the driver, for a test's own calls.
  void* symbol(const char* name) const;

  void* library = nullptr;
};

// Null if the GPU is the machine's own (NATIVEAMP_TEST_GPU=1), or if this build has no emulator.
// The first call also sets the driver that the library opens: make it before any other call.
const EmulatedGpu* emulated_gpu();

// Fails the test if the emulated GPU's checkers found something, and clears the findings. After the
// test's devices are closed, they include leaks.
void expect_no_findings();

}  // namespace namp_test
