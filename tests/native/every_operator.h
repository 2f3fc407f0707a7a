// Calls every function that computes once, over tensors drawn from a seed: for tests of all
// functions (threads, floating-point modes, environments, forks).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "nativeamp.h"

namespace namp_test {

// The bytes of every output, by the name of the call.
using Results = std::map<std::string, std::vector<uint8_t>>;

// Sizes that are large enough for several threads; the emulated GPU takes smaller ones.
enum class Extent { kFew, kMany };

// Runs in its own memory, on a stream. Inputs have tiny elements among usual ones, so that their
// products are subnormal. Throws std::runtime_error if a call fails.
Results run_every_operator(namp_device* device, uint64_t seed, Extent extent,
                           namp_stream stream = nullptr);

// The names whose results differ, or are missing; "" for none.
std::string differences(const Results& expected, const Results& actual);

// A hash of all bits of the results, to compare processes.
uint64_t digest(const Results& results);

}  // namespace namp_test
