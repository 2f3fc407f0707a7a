// Every function that computes, called once over tensors drawn from a seed: for what must hold of
// all of them (threads, floating-point modes, environments, forks).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "nativeamp.h"

namespace namp_test {

// The bytes of every output, by what wrote it.
using Results = std::map<std::string, std::vector<uint8_t>>;

// Sizes that several threads work on; the emulated GPU takes fewer.
enum class Extent { kFew, kMany };

// In memory of its own, on a stream. Inputs have tiny elements among usual ones, so that products
// of them are subnormal. Throws std::runtime_error where a call fails.
Results run_every_operator(namp_device* device, uint64_t seed, Extent extent,
                           namp_stream stream = nullptr);

// The names whose results differ, or are missing; "" for none.
std::string differences(const Results& expected, const Results& actual);

// A number for all bits of the results, to be said by another process.
uint64_t digest(const Results& results);

}  // namespace namp_test
